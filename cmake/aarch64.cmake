# aarch64.cmake - cross build for 64-bit Arm Linux with Debian's compiler.
#
# AR_SYSROOT (variable or environment) is a folder with the libraries of that
# system: scripts/cross makes one.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

if(NOT AR_SYSROOT)
  set(AR_SYSROOT $ENV{AR_SYSROOT})
endif()
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AR_SYSROOT)
set(CMAKE_SYSROOT ${AR_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${AR_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${AR_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${AR_SYSROOT}/usr/share/pkgconfig)
