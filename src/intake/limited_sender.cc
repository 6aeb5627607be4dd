#include "intake/limited_sender.h"

namespace postern::intake {

guard::Sender limited_sender(accounts::Directory& directory, const accounts::Account& account,
                             std::optional<net::IpAddress> client) {
  accounts::LimitFacts facts = directory.limit_facts(account);
  guard::Sender sender;
  sender.account = account.id;
  sender.address = account.address;
  sender.kind = static_cast<std::size_t>(facts.kind);
  sender.app_password = account.app_password;
  sender.apart = facts.apart;
  sender.own_limits = std::move(facts.account);
  sender.app_password_limits = std::move(facts.app_password);
  sender.client = client;
  return sender;
}

std::string with_reference(const std::string& reason, SessionId session) {
  return reason.empty() ? reason : reason + "; reference " + to_string(session);
}

}  // namespace postern::intake
