#pragma once

#include "mail/header.h"
#include "net/endpoint.h"

#include "scan/spool.h"
#include <string>
#include <vector>

namespace postern::scan {

/// What a scanner is shown. Borrowed for the time of the question.
struct Message {
  std::string queue_id;
  std::string hostname;  ///< ours
  net::IpAddress client;
  std::string helo;
  std::string account;     ///< the login
  std::string tls_cipher;  ///< registered suite name
  std::string reverse_path;
  std::vector<std::string> recipients;
  const mail::Header& header;
  const Spool& body;
};

}  // namespace postern::scan
