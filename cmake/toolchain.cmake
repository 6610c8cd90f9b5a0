# SPDX-License-Identifier: GPL-2.0-or-later
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "g++ ${CMAKE_CXX_COMPILER_VERSION} is refused: g++ 12 frees twice when a full expression holds co_await "
    "and a temporary aggregate that owns memory, and vrouter is made of such expressions. "
    "Use clang 19 (Debian 12: apt-get install clang-19, then cmake --preset dev) or g++ 13 and later.")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

include(CheckCXXCompilerFlag)
include(CheckPIESupported)
check_pie_supported()

function(vrouter_probe_flag flag)
  string(MAKE_C_IDENTIFIER "VROUTER_HAS_${flag}" variable)
  check_cxx_compiler_flag(${flag} ${variable})
  if(${variable})
    add_compile_options(${flag})
  endif()
endfunction()

foreach(flag -Wall -Wextra -Wshadow -Wconversion -Wimplicit-fallthrough -Wnon-virtual-dtor -Wvla -Wswitch)
  vrouter_probe_flag(${flag})
endforeach()
add_compile_definitions(_GLIBCXX_ASSERTIONS)
# Compile times and debug paths independent of where the tree is checked out, so that ccache serves every clone.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT VROUTER_SANITIZE)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
    vrouter_probe_flag(${flag})
  endforeach()
  add_link_options(-Wl,-z,relro -Wl,-z,now)
endif()

set(VROUTER_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
if(VROUTER_SANITIZE)
  add_compile_options(-fsanitize=${VROUTER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VROUTER_SANITIZE})
  # Recycled coroutine frames would hide a use after free from ASan.
  add_compile_definitions(BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING)
endif()

find_program(VROUTER_LLD NAMES ld.lld-19 ld.lld)
if(VROUTER_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()
