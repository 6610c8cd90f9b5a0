# Programs of router/kernel and router/reconcile.
vrouter_test(kernel_test LABEL unit
  SOURCES kernel_netlink_test.cpp kernel_sysctls_test.cpp
  USES kernel LINKS PkgConfig::libnl_3_0 PkgConfig::libnl_route_3_0)
vrouter_test(reconcile_test LABEL unit
  SOURCES reconcile_guest_test.cpp reconcile_host_test.cpp reconcile_observed_test.cpp reconcile_apply_test.cpp
          reconcile_addresses_test.cpp reconcile_collides_test.cpp reconcile_ipv6_test.cpp reconcile_lessee_test.cpp
  USES reconcile)
vrouter_test(kernel_lab_test LABEL lab
  SOURCES kernel_lab_test.cpp kernel_conntrack_lab_test.cpp reconcile_lab_test.cpp
          reconcile_ipv6_lab_test.cpp
  USES reconcile LINKS PkgConfig::libnetfilter_conntrack)
