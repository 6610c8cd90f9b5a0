vrouter_test(state_test LABEL unit SOURCES state_store_test.cpp state_crash_test.cpp USES state LINKS fmt::fmt)
vrouter_test(state_leases_test LABEL unit
             SOURCES state_leases_test.cpp state_lease_times_test.cpp state_lease_damage_test.cpp state_lease_crash_test.cpp
             USES state LINKS PkgConfig::sqlite3)
vrouter_test(state_disk_test LABEL lab SOURCES state_disk_test.cpp USES state)
vrouter_test(control_test LABEL unit
  SOURCES control_json_test.cpp control_calls_test.cpp control_server_test.cpp control_hostile_test.cpp
  USES control LINKS Boost::json fmt::fmt)
vrouter_test(cli_test LABEL unit SOURCES cli_dns_test.cpp cli_leases_test.cpp cli_options_test.cpp cli_print_test.cpp cli_program_test.cpp
  USES cli control LINKS Boost::json fmt::fmt)
target_compile_definitions(cli_test PRIVATE VROUTER_PROGRAM="$<TARGET_FILE:vrouter>")
add_dependencies(cli_test vrouter)
