#pragma once

#include "accounts/directory.h"
#include "base/ids.h"
#include "net/endpoint.h"
#include "smtp/envelope.h"

#include <optional>
#include <string>

namespace postern::intake {

/// What the session knows of a message when its data begins.
struct SubmissionFacts {
  accounts::Account account;
  SessionId session;
  net::IpAddress client;
  std::string helo;        ///< what the client calls itself
  bool esmtp = true;       ///< EHLO, not HELO
  std::string tls_cipher;  ///< registered suite name
  std::string tls_group;   ///< may be empty
  smtp::Envelope envelope;
};

}  // namespace postern::intake
