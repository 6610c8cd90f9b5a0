// SPDX-License-Identifier: GPL-2.0-or-later
// The world's names over TLS: vrouterd reads whom to trust, and the caged process asks.
#include <gmock/gmock.h>

#include "tests/integration/scene.h"
#include "tests/unit/dns/certificates.h"

namespace vrouter::lab {
namespace {

using dns::testing::Identity;
using dns::testing::make_identity;
using ::testing::HasSubstr;

constexpr const char* kAuthorities = "/run/authorities.pem";
constexpr const char* kIdentity = "/run/identity.pem";

// Answers whatever it is asked with 192.0.2.77.
constexpr const char* kServer = R"(
import socket, ssl, struct, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/run/identity.pem')
def whole(s, n):
    data = b''
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more: raise EOFError
        data += more
    return data
def serve(plain):
    try:
        with context.wrap_socket(plain, server_side=True) as s:
            while True:
                q = whole(s, struct.unpack('!H', whole(s, 2))[0])
                end = q.index(b'\0', 12) + 5
                a = q[:2] + b'\x81\x80\0\1\0\1\0\0\0\0' + q[12:end] + b'\xc0\x0c\0\1\0\1\0\0\1\0\0\4\xc0\0\2M'
                s.sendall(struct.pack('!H', len(a)) + a)
    except (OSError, EOFError):
        pass
listener = socket.create_server(('192.0.2.80', 853))
print('ready', flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
)";

struct TlsNames : ::testing::Test {
  TlsNames() {
    scene.world.write_file(kIdentity, identity.pem() + identity.key_pem());
    server = std::make_unique<Process>(scene.world.spawn({"python3", "-c", kServer}));
    EXPECT_TRUE(wait_until([&] { return server->output().contains("ready"); }));
    scene.host.write_file(kAuthorities, authority.pem());
    scene.daemon->start();
  }
  std::string dig(const std::string& name) const { return scene.host.sh("dig +time=5 +tries=1 @10.0.5.1 " + name).out; }
  Identity authority = make_identity({}), identity = make_identity({.names = "DNS:dns.example"}, &authority);
  Scene scene{{.config = std::string{"[dns]\nupstreams = [\"tls://192.0.2.80#dns.example\"]\ntls_ca = \""} +
                         kAuthorities + "\"\n"},
              false};
  std::unique_ptr<Process> server;
};

TEST_F(TlsNames, AreAskedOfWhoeverProvesItself) {
  EXPECT_THAT(dig("www.world.example"), HasSubstr("192.0.2.77"));
  EXPECT_TRUE(wait_until([&] { return scene.daemon->vrouter({"dns"}).contains("tls://192.0.2.80#dns.example  1"); }))
      << scene.daemon->vrouter({"dns"});
  // Somebody else's authority from now on.
  scene.host.write_file(kAuthorities, make_identity({}).pem());
  scene.daemon->vrouter({"reload"});
  EXPECT_THAT(dig("other.world.example"), HasSubstr("SERVFAIL"));
  constexpr const char* kWhy = "nobody in dns.tls_ca vouches for its certificate";
  EXPECT_TRUE(wait_until([&] { return scene.daemon->cli({"dns"}).out.contains(kWhy); }));
  EXPECT_THAT(scene.daemon->cli({"status"}).out, HasSubstr(kWhy));
  EXPECT_TRUE(wait_until([&] { return scene.daemon->log().contains(kWhy); }));
  scene.host.must(std::string{"rm "} + kAuthorities);
  scene.daemon->vrouter({"reload"});
  EXPECT_THAT(scene.daemon->cli({"status"}).out, HasSubstr("holds no certificates that can be read"));
  EXPECT_TRUE(scene.names->queries().empty()) << "nothing of it in the clear";
}

}  // namespace
}  // namespace vrouter::lab
