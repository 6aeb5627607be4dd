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

Result<std::string> normal_new_address(std::string_view address) {
  constexpr std::size_t kMaxLocalPart = 64;  // octets
  POSTERN_TRY(std::string name, normal_address(address));
  const std::string local = name.substr(0, name.rfind('@'));
  if (local.size() > kMaxLocalPart)
    return fail(Errc::Malformed,
                "what stands before the @ has more than 64 octets (RFC 5321 §4.5.3.1.1): " + name);
  if (local.find('*') != std::string::npos)
    return fail(Errc::Malformed, "an account is one address, not a pattern: " + name +
                                     "; postern alias add lets an account send as " + name);
  return name;
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
