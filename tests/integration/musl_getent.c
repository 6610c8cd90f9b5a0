// SPDX-License-Identifier: GPL-2.0-or-later
// getent(1) for a C library that comes without one: `hosts ADDRESS` and `ahosts NAME`, printed as glibc's prints them.
// What it shows is the resolver it is linked with. Status 0, 1 usage, 2 not found, with the library's reason on stderr.
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int fail(int error) {
  fprintf(stderr, "%s\n", gai_strerror(error));
  return 2;
}

static int ahosts(const char* name) {
  struct addrinfo hints;
  struct addrinfo* found = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(name, NULL, &hints, &found);
  if (error != 0) return fail(error);
  for (const struct addrinfo* at = found; at != NULL; at = at->ai_next) {
    char text[INET6_ADDRSTRLEN];
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
      printf("%s STREAM %s\n", text, name);
  }
  freeaddrinfo(found);
  return 0;
}

static int hosts(const char* address) {
  struct sockaddr_in peer;
  char name[NI_MAXHOST];
  memset(&peer, 0, sizeof peer);
  peer.sin_family = AF_INET;
  if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) return 1;
  const int error = getnameinfo((struct sockaddr*)&peer, sizeof peer, name, sizeof name, NULL, 0, NI_NAMEREQD);
  if (error != 0) return fail(error);
  printf("%s %s\n", address, name);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3 && strcmp(argv[1], "ahosts") == 0) return ahosts(argv[2]);
  if (argc == 3 && strcmp(argv[1], "hosts") == 0) return hosts(argv[2]);
  fprintf(stderr, "usage: musl_getent ahosts NAME | hosts ADDRESS\n");
  return 1;
}
