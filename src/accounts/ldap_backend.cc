#include "accounts/ldap_backend.h"

#include "accounts/ldap_deadline.h"

#include <ldap.h>

#include <fstream>
#include <string_view>

namespace postern::accounts {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

std::string escape(std::string_view text, std::string_view special) {
  std::string out;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < ' ' || octet == 127 || special.find(c) != std::string_view::npos) {
      out += '\\';
      out += kHex[octet >> 4U];
      out += kHex[octet & 15U];
    } else {
      out += c;
    }
  }
  return out;
}

std::string filled(const std::string& pattern, const std::string& name,
                   std::string (*escaped)(std::string_view)) {
  const std::size_t at = name.rfind('@');
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    switch (pattern[++i]) {
      case 's':
        out += escaped(name);
        break;
      case 'u':
        out += escaped(name.substr(0, at));
        break;
      case 'd':
        out += escaped(name.substr(at + 1));
        break;
      default:
        out += pattern[i];
    }
  }
  return out;
}

struct Unbind {
  void operator()(LDAP* ldap) const { ldap_unbind_ext_s(ldap, nullptr, nullptr); }
};
using Connection = std::unique_ptr<LDAP, Unbind>;

/// Of these the password, or the name, is the reason (RFC 4511 appendix A.2); of the rest the server.
bool is_denial(int code) {
  return code == LDAP_INVALID_CREDENTIALS || code == LDAP_NO_SUCH_OBJECT || code == LDAP_INAPPROPRIATE_AUTH ||
         code == LDAP_INVALID_DN_SYNTAX || code == LDAP_NAMING_VIOLATION;
}

Error error_of(LDAP* ldap, int code) {
  std::string text = std::string("ldap: ") + ldap_err2string(code);
  char* more = nullptr;
  if (ldap != nullptr && ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more) == LDAP_OPT_SUCCESS &&
      more != nullptr) {
    if (*more != '\0') text += std::string(": ") + more;
    ldap_memfree(more);
  }
  return fail(is_denial(code) ? Errc::Denied : Errc::Unavailable, text);
}

Result<Connection> connect(const LdapOptions& options, LdapDeadline& deadline) {
  LDAP* made = nullptr;
  if (const int code = ldap_initialize(&made, options.url.c_str()); code != LDAP_SUCCESS)
    return error_of(nullptr, code);
  Connection connection(made);
  POSTERN_CHECK(deadline.watch(made));
  const int version = LDAP_VERSION3;
  const timeval limit{static_cast<time_t>(options.timeout.count()), 0};
  const int demand = LDAP_OPT_X_TLS_DEMAND;
  const int fresh_context = 0;
  ldap_set_option(made, LDAP_OPT_PROTOCOL_VERSION, &version);
  ldap_set_option(made, LDAP_OPT_NETWORK_TIMEOUT, &limit);
  ldap_set_option(made, LDAP_OPT_TIMEOUT, &limit);
  ldap_set_option(made, LDAP_OPT_REFERRALS,
                  LDAP_OPT_OFF);  // a password goes to the server that was named only
  ldap_set_option(made, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
  if (!options.ca_file.empty()) ldap_set_option(made, LDAP_OPT_X_TLS_CACERTFILE, options.ca_file.c_str());
  ldap_set_option(made, LDAP_OPT_X_TLS_NEWCTX, &fresh_context);
  if (options.starttls) {
    if (const int code = ldap_start_tls_s(made, nullptr, nullptr); code != LDAP_SUCCESS)
      return error_of(made, code);
  }
  return connection;
}

Result<> bind_to(LDAP* ldap, const std::string& dn, const std::string& password) {
  berval secret{static_cast<ber_len_t>(password.size()), const_cast<char*>(password.data())};
  const int code = ldap_sasl_bind_s(ldap, dn.c_str(), LDAP_SASL_SIMPLE, &secret, nullptr, nullptr, nullptr);
  if (code != LDAP_SUCCESS) return error_of(ldap, code);
  return {};
}

Result<std::string> find_dn(LDAP* ldap, const LdapOptions& options, const std::string& filter) {
  char no_attributes[] = LDAP_NO_ATTRS;  // NOLINT: as the API wants it
  char* attributes[] = {no_attributes, nullptr};
  timeval limit{static_cast<time_t>(options.timeout.count()), 0};
  LDAPMessage* found = nullptr;
  const int code = ldap_search_ext_s(ldap, options.search_base.c_str(), LDAP_SCOPE_SUBTREE, filter.c_str(),
                                     attributes, 0, nullptr, nullptr, &limit, 2, &found);
  const std::unique_ptr<LDAPMessage, decltype(&ldap_msgfree)> owned(found, ldap_msgfree);
  if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED) return error_of(ldap, code);
  if (ldap_count_entries(ldap, found) != 1) return fail(Errc::Denied, "not exactly one entry matches");
  char* dn = ldap_get_dn(ldap, ldap_first_entry(ldap, found));
  if (dn == nullptr) return fail(Errc::Unavailable, "ldap: an entry without a name");
  std::string out(dn);
  ldap_memfree(dn);
  return out;
}

}  // namespace

std::string ldap_dn_escape(std::string_view text) { return escape(text, "\\,+\"<>;=#* "); }
std::string ldap_filter_escape(std::string_view text) { return escape(text, "\\*()"); }

Result<> LdapOptions::validate() const {
  if (bind_dn.empty() && search_base.empty()) return {};  // not used: see create()
  if (!ldap_is_ldap_url(url.c_str()))
    return fail(Errc::Malformed, "url must be like ldaps://ldap.example.org, and is \"" + url + '"');
  const bool secret = url.starts_with("ldaps://") || url.starts_with("ldapi://") || starttls;
  if (!secret && !allow_clear)
    return fail(Errc::Malformed, url + " would carry passwords in clear; use ldaps:// or starttls");
  if (starttls && !url.starts_with("ldap://"))
    return fail(Errc::Malformed, "starttls is for ldap:// only, and url is " + url);
  return {};
}

Result<std::unique_ptr<LdapBackend>> LdapBackend::create(const LdapOptions& options) {
  if (options.bind_dn.empty() && options.search_base.empty())
    return fail(Errc::Malformed, "[ldap] either bind_dn or search_base is required");
  if (const Result<> valid = options.validate(); !valid)
    return fail(Errc::Malformed, "[ldap] " + valid.error().detail);
  std::string password;
  if (!options.search_password_file.empty()) {
    std::ifstream file(options.search_password_file);
    if (!std::getline(file, password) || password.empty())
      return fail(Errc::NotFound,
                  "ldap.search_password_file: cannot read a password from " + options.search_password_file);
  }
  return std::unique_ptr<LdapBackend>(new LdapBackend(options, std::move(password)));
}

Result<> LdapBackend::bind_as(const std::string& name, const std::string& password) const {
  LdapDeadline deadline(std::chrono::steady_clock::now() + options_.timeout);
  POSTERN_TRY(const Connection connection, connect(options_, deadline));
  std::string dn;
  if (options_.bind_dn.empty()) {
    const Result<> searcher = bind_to(connection.get(), options_.search_dn, search_password_);
    if (!searcher) return fail(Errc::Unavailable, "ldap: the search account: " + searcher.error().detail);
    const Result<std::string> found =
        find_dn(connection.get(), options_, filled(options_.search_filter, name, ldap_filter_escape));
    if (!found) {
      // A name that is not there costs a bind as well: else the time would tell which names there are.
      if (found.error().code == Errc::Denied)
        (void)bind_to(connection.get(), "cn=postern found nobody," + options_.search_base, password);
      return found.error();
    }
    dn = *found;
  } else {
    dn = filled(options_.bind_dn, name, ldap_dn_escape);
  }
  return bind_to(connection.get(), dn, password);
}

net::Task<Result<>> LdapBackend::check(net::Loop& loop, std::string name, std::string password,
                                       net::IpAddress client) {
  // RFC 4513 §5.1.2: a bind without password succeeds, and proves nothing.
  if (password.empty() || password.find('\0') != std::string::npos)
    co_return fail(Errc::Denied, "no password");
  auto job = [this, name, password] { return bind_as(name, password); };
  Result<Result<>> done = co_await threads_.run(loop, std::move(job), client.network(32, 64).text());
  if (!done) co_return done.error();
  co_return *std::move(done);
}

}  // namespace postern::accounts
