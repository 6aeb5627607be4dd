#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "mail/address.h"
#include "net/network.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::accounts {

/// Decides the default limits of an account.
enum class AccountClass : std::uint8_t { Person, App, Bulk };
[[nodiscard]] const char* to_string(AccountClass kind);
[[nodiscard]] std::optional<AccountClass> parse_account_class(std::string_view text);

/// An account, and how somebody came to use it.
struct Account {
  AccountId id;
  std::string address;                       ///< the login, lower case
  AccountClass kind = AccountClass::Person;  ///< of the app password, if that has one of its own
  bool suspended = false;
  std::uint64_t credential = 0;   ///< another one after each change of the password
  std::int64_t app_password = 0;  ///< the app password that logged in; 0: none
  bool by_password = true;  ///< false: a token or certificate logged in; a new password does not end that
};

/// What the directory says of an account's limits. Lines as guard/limit.h reads them; nullptr: none of its own.
struct LimitFacts {
  AccountClass kind = AccountClass::Person;
  bool apart = false;  ///< an app password with a class of its own: it does not use up the account's limits
  std::shared_ptr<const std::vector<std::string>> account;
  std::shared_ptr<const std::vector<std::string>> app_password;
};

/// Whether somebody who logged in a while ago may still send.
enum class Standing : std::uint8_t { Good, Suspended, Removed, PasswordChanged, AppPasswordEnded, Unknown };
/// "the account is suspended"; for people.
[[nodiscard]] const char* to_string(Standing standing);

struct Domain {
  std::string name;  ///< lower case
  std::string selector;
  std::string key_pem;
};

struct Alias {
  std::string address;  ///< an address, or a pattern of sender_rights.h
  std::string account;
};

/// `account` may use every address of `other`.
struct Grant {
  std::string account;
  std::string other;
};

/// A generated password for one program. What is not limited is as the account has it.
struct AppPassword {
  std::int64_t id = 0;
  std::string account;  ///< address
  std::string name;     ///< unique within the account
  std::optional<AccountClass> kind;
  std::vector<std::string> senders;    ///< patterns of sender_rights.h; empty: all of the account's
  std::vector<net::Network> networks;  ///< empty: from anywhere
  std::vector<std::string> limits;     ///< of its own, as lines of guard/limit.h
  std::optional<TimePoint> expires;
  TimePoint created{};
};

constexpr std::size_t kMaxAppPasswordName = 64;  // octets
/// PBKDF2 rounds for SCRAM: eight times what RFC 7677 §4 asks for at least; a client computes them for each login. All
/// keys of an account share it (see docs/decisions/0010-scram-keys-beside-argon2.md).
constexpr std::uint32_t kScramIterations = 32'768;

/// One form for all spellings of an address: ASCII letters in lower case, the local part in normal form C, the domain with
/// A-labels (RFC 5890 §2.3.2.1). Letters that only look alike stay different. Error: Malformed.
[[nodiscard]] Result<std::string> normal_address(std::string_view address);
/// The same for an address that is to become an account's. Malformed as well: a local part that no MAIL can name (RFC 5321
/// §4.5.3.1.1: 64 octets), and one with "*", which would read like a pattern of sender_rights.h.
[[nodiscard]] Result<std::string> normal_new_address(std::string_view address);
/// The same of a mailbox that was parsed already. Error: Malformed, the domain's.
[[nodiscard]] Result<mail::Mailbox> normal(const mail::Mailbox& mailbox);
/// A name that somebody logs in with (RFC 4954 §4: SASLprep), as accounts are stored. Empty: no account has such a name.
[[nodiscard]] std::string normal_login(std::string_view typed);
/// ASCII letters in lower case.
[[nodiscard]] std::string lower(std::string_view text);

}  // namespace postern::accounts
