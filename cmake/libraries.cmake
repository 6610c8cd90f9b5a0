# SPDX-License-Identifier: GPL-2.0-or-later
# Every third-party library, all from Debian 12. Rooms link them PRIVATE: no header of a room shows them,
# save Boost.Asio's address types and io_context.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(SQLiteCpp REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)

foreach(module libseccomp libcap-ng libmnl libnftnl libnl-3.0 libnl-route-3.0 libnetfilter_conntrack libsystemd sqlite3)
  string(MAKE_C_IDENTIFIER ${module} name)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
endforeach()

# Header-only use of Asio: address types, io_context, coroutines.
add_library(vrouter_asio INTERFACE)
target_link_libraries(vrouter_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(vrouter_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_HAS_STD_INVOKE_RESULT)
