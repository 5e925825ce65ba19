# What `make install` and the packages install.
include(GNUInstallDirs)
set(amps_data ${CMAKE_INSTALL_FULL_DATADIR}/amps)
install(TARGETS amps RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS amps-master amps-worker amps-transcoder amps-helper
	RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/amps)

# amps_manual(page [ARGUMENT...]): a manual page, made from its template by manual.cmake
function(amps_manual page depends)
	set(out ${CMAKE_BINARY_DIR}/man/${page})
	set(in ${CMAKE_SOURCE_DIR}/packaging/man/${page}.in)
	add_custom_command(OUTPUT ${out}
		COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DVERSION=${PROJECT_VERSION} ${ARGN} -P
			${CMAKE_SOURCE_DIR}/cmake/manual.cmake
		DEPENDS ${in} ${depends} ${CMAKE_SOURCE_DIR}/cmake/manual.cmake)
	string(REGEX REPLACE ".*\\." "" section ${page})
	install(FILES ${out} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
	set_property(GLOBAL APPEND PROPERTY amps_manuals ${out})
endfunction()
amps_manual(amps.1 amps -DPROGRAM=$<TARGET_FILE:amps>)
amps_manual(amps-master.8 amps-master -DPROGRAM=$<TARGET_FILE:amps-master>)
amps_manual(amps.yaml.5 ${CMAKE_SOURCE_DIR}/etc/amps.yaml -DFILE=${CMAKE_SOURCE_DIR}/etc/amps.yaml)
get_property(amps_manuals GLOBAL PROPERTY amps_manuals)
add_custom_target(amps_manuals ALL DEPENDS ${amps_manuals})
install(FILES ${CMAKE_SOURCE_DIR}/packaging/completion/amps
	DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)

# systemd looks into these folders below /usr and below /usr/local
configure_file(packaging/systemd/amps.service.in packaging/amps.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/packaging/amps.service packaging/systemd/amps.socket
	packaging/systemd/amps-rtsp.socket DESTINATION lib/systemd/system)
install(FILES packaging/systemd/amps.sysusers DESTINATION lib/sysusers.d RENAME amps.conf)
install(FILES packaging/systemd/amps.tmpfiles DESTINATION lib/tmpfiles.d RENAME amps.conf)

# The line-up of a fresh installation: that of etc/demo.yaml, on every address and with a token.
file(READ packaging/amps.yaml.in amps_head)
file(READ etc/demo.yaml amps_demo)
string(FIND "${amps_demo}" "ffmpeg_profiles:" amps_at)
string(SUBSTRING "${amps_demo}" ${amps_at} -1 amps_demo)
string(REPLACE "\${AMPS_DEMO_DIR}" "${amps_data}" amps_demo "${amps_demo}")
string(CONFIGURE "${amps_head}" amps_head @ONLY)
file(CONFIGURE OUTPUT packaging/amps.yaml CONTENT "${amps_head}${amps_demo}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS etc/demo.yaml packaging/amps.yaml.in)
install(FILES ${CMAKE_BINARY_DIR}/packaging/amps.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/amps)
if(TARGET amps_demo)
	install(FILES ${CMAKE_BINARY_DIR}/demo/demo.ts DESTINATION ${CMAKE_INSTALL_DATADIR}/amps)
endif()

install(FILES README.md CHANGELOG.md SECURITY.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY etc/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(DIRECTORY packaging/systemd/drop-ins/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/systemd)
