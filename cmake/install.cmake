include(GNUInstallDirs)
install(TARGETS amps RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS amps-master amps-worker amps-transcoder amps-helper
	RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/amps)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/man/amps.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/completion/amps
	DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
