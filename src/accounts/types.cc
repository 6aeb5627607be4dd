#include "accounts/types.h"

#include "mail/idna.h"
#include "sasl/scram_keys.h"

namespace postern::accounts {

const char* to_string(AccountClass kind) {
  switch (kind) {
    case AccountClass::Person:
      return "person";
    case AccountClass::App:
      return "app";
    case AccountClass::Bulk:
      return "bulk";
  }
  return "person";
}

const char* to_string(Standing standing) {
  switch (standing) {
    case Standing::Good:
      return "the account is in order";
    case Standing::Suspended:
      return "the account is suspended";
    case Standing::Removed:
      return "the account was removed";
    case Standing::PasswordChanged:
      return "the password was changed: log in again";
    case Standing::AppPasswordEnded:
      return "the app password was removed or has expired";
    case Standing::Unknown:
      return "the account cannot be looked up now";
  }
  return "";
}

std::optional<AccountClass> parse_account_class(std::string_view text) {
  for (const AccountClass kind : {AccountClass::Person, AccountClass::App, AccountClass::Bulk}) {
    if (text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

Result<std::string> normal_address(std::string_view address) {
  const Result<std::vector<mail::Mailbox>> boxes = mail::parse_address_list(address);
  if (!boxes || boxes->size() != 1 || boxes->front().text() != address)
    return fail(Errc::Malformed, "not a mail address: " + std::string(address));
  POSTERN_TRY(const mail::Mailbox mailbox, normal(boxes->front()));
  return mailbox.text();
}

Result<mail::Mailbox> normal(const mail::Mailbox& mailbox) {
  POSTERN_TRY(std::string domain, mail::to_ascii(mailbox.domain));
  return mail::Mailbox{lower(mail::to_nfc(mailbox.local)), std::move(domain)};
}

std::string normal_login(std::string_view typed) {
  const Result<std::string> prepared = sasl::saslprep(typed);
  if (!prepared) return {};
  const Result<std::string> address = normal_address(*prepared);
  return address ? *address : lower(*prepared);
}

}  // namespace postern::accounts
