#pragma once

#include "net/endpoint.h"

#include <cstddef>
#include <string>

namespace postern::bench {

/// What to do to the server; the command line of postern_load.
struct LoadOptions {
  std::string mode = "send";  ///< send, login, idle, slow
  net::Endpoint server;
  bool implicit_tls = false;  ///< TLS from the start (465) instead of STARTTLS
  bool pipelining = false;    ///< MAIL, RCPT and DATA in one write
  std::string user;
  std::string password;
  std::string sender = "alice@example.org";
  std::string recipient = "bob@example.net";
  std::string mail_parameters;   ///< after MAIL FROM:<...>, such as "HOLDFOR=3600"
  std::size_t recipients = 1;    ///< of each message; the first is `recipient`, the others differ in a number
  std::size_t connections = 20;  ///< at once
  std::size_t messages = 100;    ///< by each connection; for login: sessions one after the other
  std::size_t per_session = 0;   ///< messages before a connection is made anew; 0: all on one
  std::size_t size = 4096;       ///< octets of body
};

}  // namespace postern::bench
