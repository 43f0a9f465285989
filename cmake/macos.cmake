# macos.cmake - cross build for macOS on Apple silicon with zig's compiler.
#
# AR_SYSROOT (variable or environment) is a folder with wrappers of the tools,
# headers and stubs of libraries: scripts/cross_macos makes one.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
if(NOT AR_SYSROOT)
  set(AR_SYSROOT $ENV{AR_SYSROOT})
endif()
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AR_SYSROOT)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_COMPILER ${AR_SYSROOT}/bin/cc)
set(CMAKE_AR ${AR_SYSROOT}/bin/ar)
set(CMAKE_RANLIB ${AR_SYSROOT}/bin/ranlib)
set(CMAKE_INSTALL_NAME_TOOL ${AR_SYSROOT}/bin/ranlib) # asked for, never used
set(CMAKE_OSX_SYSROOT "")
set(CMAKE_OSX_DEPLOYMENT_TARGET "")
set(CMAKE_C_OSX_COMPATIBILITY_VERSION_FLAG "")
set(CMAKE_FIND_ROOT_PATH ${AR_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${AR_SYSROOT}/lib/pkgconfig)
