#pragma once

#include "smtp/params.h"

#include <string>
#include <vector>

namespace postern::smtp {

/// One forward-path of a message.
struct Recipient {
  std::string address;  ///< the mailbox exactly as given, "User+Tag@Example.ORG": what goes out in RCPT
  std::string domain;   ///< its domain in lower case, as given otherwise
  Notify notify;
  std::string orcpt;  ///< as received; empty: none
  friend bool operator==(const Recipient&, const Recipient&) = default;
};

/// Who a message is from and for (RFC 5321 §2.3.1).
struct Envelope {
  std::string reverse_path;  ///< the mailbox as given; "" is the null reverse-path <>
  MailParams params;
  std::vector<Recipient> recipients;
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

}  // namespace postern::smtp
