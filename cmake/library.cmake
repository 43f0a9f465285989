# library.cmake - the library as others get it, and what is installed.
#
# The layers up to infer become one object in which every name is local but
# those of include/arcane, so that short internal names meet no others.  It is
# in libarcane.a and, with AR_SHARED, linked as a shared library.
include(GNUInstallDirs)
set(library_layers ar_base ar_quant ar_core ar_cpu ar_gpu ar_backend ar_format ar_tok
  ar_model ar_infer)
set(library_needs libpcre2-8 jansson libzstd libutf8proc)
set(library_object ${CMAKE_BINARY_DIR}/arcane.o)
set(library_file ${CMAKE_BINARY_DIR}/libarcane.a)
set(archives)
foreach(layer ${library_layers})
  list(APPEND archives $<TARGET_FILE:${layer}>)
endforeach()

if(APPLE) # whose linker makes hidden names local by itself
  set(join ${CMAKE_LINKER} -r -all_load ${archives} -o ${library_object})
  set(localize ${CMAKE_COMMAND} -E true)
else()
  set(join ${CMAKE_LINKER} -r -o ${library_object}
    --whole-archive ${archives} --no-whole-archive)
  set(localize ${CMAKE_OBJCOPY} --localize-hidden ${library_object})
endif()
add_custom_command(
  OUTPUT ${library_file} ${library_object}
  COMMAND ${join}
  COMMAND ${localize}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${library_file}
  COMMAND ${CMAKE_AR} rcs ${library_file} ${library_object}
  DEPENDS ${library_layers} VERBATIM)
add_custom_target(arcane_library ALL DEPENDS ${library_file})

# What a program of this build links to use it.
add_library(arcane_use INTERFACE)
add_dependencies(arcane_use arcane_library)
target_include_directories(arcane_use INTERFACE ${CMAKE_SOURCE_DIR}/include)
set(library_links PkgConfig::PCRE2 PkgConfig::JANSSON PkgConfig::ZSTD
  PkgConfig::UTF8PROC Threads::Threads ${CMAKE_DL_LIBS} m)
target_link_libraries(arcane_use INTERFACE ${library_file} ${library_links})

if(AR_SHARED)
  add_library(arcane_shared SHARED ${library_object})
  set_target_properties(arcane_shared PROPERTIES
    OUTPUT_NAME arcane LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  add_dependencies(arcane_shared arcane_library)
  target_link_libraries(arcane_shared PRIVATE ${library_links})
  install(TARGETS arcane_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()

file(RELATIVE_PATH library_up
  /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REPLACE ";" " " library_requires "${library_needs}")
configure_file(cmake/arcane.pc.in arcane.pc @ONLY)
install(FILES ${library_file} DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/arcane.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(DIRECTORY include/arcane DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
