#include "submission/options.h"

#include "net/network.h"
#include "smtp/address_grammar.h"

namespace postern::submission {

Result<> Options::check(std::string_view key) const {
  if (key == "proxy_networks") {
    for (const std::string& network : proxy_networks) POSTERN_CHECK(net::Network::parse(network));
  }
  if (key == "postmaster" && !postmaster.empty()) {
    const Result<smtp::Mailbox> mailbox = smtp::parse_mailbox(postmaster);
    if (!mailbox || !mailbox->fully_qualified())
      return fail(Errc::Malformed, "must be an address such as \"postmaster@example.org\"");
  }
  return {};
}

}  // namespace postern::submission
