# What `cmake --install` puts where, and the Debian package of it (`cpack` in the build folder; README.md, "Installing").
install(TARGETS moesim DESTINATION bin)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/models ${PROJECT_SOURCE_DIR}/hardware ${PROJECT_SOURCE_DIR}/scenarios
        ${PROJECT_SOURCE_DIR}/reports DESTINATION share/moesim
        PATTERN "__pycache__" EXCLUDE)
if(MOESIM_PYTHON)
  install(TARGETS moesim_python LIBRARY DESTINATION ${MOESIM_PYTHON_FOLDER})
  install(FILES python/__init__.py DESTINATION ${MOESIM_PYTHON_FOLDER})
endif()

# Man pages and completion, made of the help by the program itself.  Not under sanitizers, which would run with it.
if(NOT MOESIM_STRICT)
  set(manual ${PROJECT_BINARY_DIR}/manual)
  add_custom_command(OUTPUT ${manual}/moesim.1
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${manual}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${manual}
    COMMAND moesim manual ${manual}
    DEPENDS moesim VERBATIM)
  add_custom_target(moesim_manual ALL DEPENDS ${manual}/moesim.1)
  install(DIRECTORY ${manual}/ DESTINATION share/man/man1 FILES_MATCHING PATTERN "*.1")
  install(FILES ${manual}/moesim.bash DESTINATION share/bash-completion/completions RENAME moesim)
  install(FILES ${manual}/_moesim DESTINATION share/zsh/vendor-completions)
endif()

file(WRITE ${PROJECT_BINARY_DIR}/copyright
"moesim

No licence has been chosen for this program yet: all rights are reserved by its authors, and this package grants none
beyond what the law gives. Ask them before you pass it on.
")
install(FILES ${PROJECT_BINARY_DIR}/copyright DESTINATION share/doc/moesim)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME moesim)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "the authors of moesim <moesim@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "simulates Mixture-of-Experts deployments with real routing")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "What a Mixture-of-Experts model does on a cluster, with the traffic that there\n really is: sizing, placement of experts, and replay of recorded routing.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# OpenBLAS is opened with the first product and not linked (numerics/algebra/blas.cpp), so that nothing finds it.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libopenblas0-pthread | libopenblas0")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "sqlite3")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3, python3-pandas")
set(CPACK_STRIP_FILES ON)
if(MOESIM_PYTHON)
  # What Python compiles beside the module when root imports it belongs to no package, and would stay.
  file(WRITE ${PROJECT_BINARY_DIR}/prerm "#!/bin/sh\nset -e\nrm -rf /usr/${MOESIM_PYTHON_FOLDER}/__pycache__\n")
  set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/prerm)
  set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
endif()
include(CPack)
