include(GNUInstallDirs)
install(TARGETS amps RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS amps-master amps-worker amps-transcoder
	RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/amps)
