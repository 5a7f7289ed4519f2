# What a machine needs beside the executable (src/CMakeLists.txt installs that).
configure_file(packaging/roost.service.in packaging/roost.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/packaging/roost.service DESTINATION lib/systemd/system)
install(FILES packaging/roost.sysusers DESTINATION lib/sysusers.d RENAME roost.conf)
install(FILES packaging/roost.tmpfiles DESTINATION lib/tmpfiles.d RENAME roost.conf)
install(FILES packaging/roost.conf.example packaging/fail2ban-filter.conf DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md LICENSE docs/operating.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/man/roost.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/man/roost.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
