#include "delivery/route_table.h"

#include "delivery/secret_file.h"
#include "smtp/address_grammar.h"
#include "smtp/ascii.h"

#include <algorithm>

namespace postern::delivery {
namespace {

/// `pattern` is "example.net", "*.example.net", "user@example.net" or "<>"; all arguments in lower case.
bool fits(std::string_view pattern, std::string_view address, std::string_view domain) {
  if (address.empty()) return pattern == "<>";
  if (pattern.find('@') != std::string_view::npos) return pattern == address;
  if (!pattern.starts_with("*.")) return pattern == domain;
  const std::string_view below = pattern.substr(1);
  return domain.size() > below.size() && domain.ends_with(below);
}

bool one_fits(const std::vector<std::string>& patterns, std::string_view address, std::string_view domain) {
  return patterns.empty() ||
         std::ranges::any_of(patterns, [&](const std::string& p) { return fits(p, address, domain); });
}

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

Result<std::optional<TlsPolicy>> parse_tls(std::string_view text) {
  if (text.empty()) return std::optional<TlsPolicy>();
  for (const auto& [name, policy] : option_names(TlsPolicy{})) {
    if (text == name) return std::optional(policy);
  }
  return fail(Errc::Malformed, "tls must be one of none, opportunistic, required, dane");
}

Result<Egress> parse_egress(const RouteRule& rule) {
  Egress egress;
  for (const std::string& text : rule.source_addresses) {
    POSTERN_TRY(const net::IpAddress ip, net::IpAddress::parse(text));
    std::optional<net::IpAddress>& place = ip.is_v6() ? egress.source_v6 : egress.source_v4;
    if (place) return fail(Errc::Malformed, "source_addresses has two of one family");
    place = ip;
  }
  if (!rule.socks5.empty()) {
    POSTERN_TRY(const net::Endpoint where, net::Endpoint::parse(rule.socks5));
    constexpr std::size_t kLongest = 255;  // RFC 1929 §2
    if (rule.socks5_user.size() > kLongest)
      return fail(Errc::Malformed, "socks5_user has more than 255 octets");
    egress.socks5 = Socks5Proxy{where, rule.socks5_user, {}};
    if (!rule.source_addresses.empty())
      return fail(Errc::Malformed, "with socks5 the proxy chooses the address: leave source_addresses out");
  }
  if (rule.socks5_user.empty() != rule.socks5_password_file.empty())
    return fail(Errc::Malformed, "socks5_user and socks5_password_file: both or neither");
  if (rule.socks5.empty() && !rule.socks5_user.empty())
    return fail(Errc::Malformed, "socks5_user without socks5");
  return egress;
}

/// A pattern that can fit something; a mistyped one would let mail pass by its route without a word.
Result<> check_pattern(const char* key, const std::string& pattern) {
  const bool sender = std::string_view(key) == "from";
  if (sender && pattern == "<>") return {};
  std::string_view domain = pattern;
  if (domain.starts_with("*.")) domain.remove_prefix(2);
  const bool address = pattern.find('@') != std::string::npos;
  if (address ? smtp::parse_mailbox(pattern).has_value() : smtp::valid_host(domain)) return {};
  return fail(Errc::Malformed, std::string(key) + ": \"" + pattern +
                                   "\" is neither a domain, nor *.DOMAIN, nor an address" +
                                   (sender ? "; the empty sender is \"<>\"" : ""));
}

/// The proxy's password, which is read once.
Result<> read_password(const RouteRule& rule, Egress& egress) {
  if (rule.socks5_password_file.empty()) return {};
  POSTERN_TRY(egress.socks5->password, read_secret(rule.socks5_password_file));
  if (egress.socks5->password.size() > 255)
    return fail(Errc::Malformed, "the proxy's password has more than 255 octets");
  return {};
}

std::vector<std::string> all_lower(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) out.push_back(smtp::to_lower(text));
  return out;
}

}  // namespace

Result<> RouteRule::validate() const {
  if ((action == RouteAction::Smarthost) != !smarthost.empty()) {
    return fail(Errc::Malformed, "smarthost = NAME belongs to action = \"smarthost\", and to nothing else");
  }
  if ((action == RouteAction::Expand) != !members.empty())
    return fail(Errc::Malformed,
                "members = [ADDRESS, ...] belongs to action = \"expand\", and to nothing else");
  for (const std::string& member : members) {
    if (!smtp::parse_mailbox(member))
      return fail(Errc::Malformed, "members: \"" + member + "\" is no address");
  }
  for (const std::string& pattern : to) POSTERN_CHECK(check_pattern("to", pattern));
  for (const std::string& pattern : from) POSTERN_CHECK(check_pattern("from", pattern));
  POSTERN_CHECK(parse_tls(tls));
  POSTERN_CHECK(parse_egress(*this));
  return {};
}

std::string Egress::key() const {
  if (!source_v4 && !source_v6 && !socks5) return {};
  return (source_v4 ? source_v4->text() : "-") + "," + (source_v6 ? source_v6->text() : "-") + "," +
         (socks5 ? socks5->user + "@" + socks5->where.text() : "-");
}

bool Egress::reaches(const net::IpAddress& ip) const {
  return (!source_v4 && !source_v6) || source_for(ip).has_value();
}

std::optional<net::IpAddress> Egress::source_for(const net::IpAddress& ip) const {
  return ip.is_v6() ? source_v6 : source_v4;
}

Result<RouteTable> RouteTable::make(const std::vector<RouteRule>& rules, RouteChoice otherwise) {
  RouteTable table;
  table.otherwise_ = std::move(otherwise);
  std::size_t number = 0;
  for (const RouteRule& rule : rules) {
    ++number;
    const std::string name = rule.name.empty() ? std::to_string(number) : rule.name;
    if (const Result<> valid = rule.validate(); !valid)
      return fail(Errc::Malformed, "[[route]] " + name + ": " + valid.error().detail);
    Entry entry{all_lower(rule.to), all_lower(rule.from), {}};
    entry.choice = {.name = name,
                    .action = rule.action,
                    .smarthost = rule.smarthost,
                    .members = rule.members,
                    .tls = {},
                    .egress = {}};
    POSTERN_TRY(entry.choice.tls, parse_tls(rule.tls));
    POSTERN_TRY(entry.choice.egress, parse_egress(rule));
    if (const Result<> read = read_password(rule, entry.choice.egress); !read)
      return fail(read.error().code, "[[route]] " + name + ": " + read.error().detail);
    table.entries_.push_back(std::move(entry));
  }
  return table;
}

const RouteChoice& RouteTable::choose(std::string_view sender, std::string_view recipient,
                                      std::string_view domain) const {
  if (entries_.empty()) return otherwise_;
  const std::string from = smtp::to_lower(sender);
  const std::string to = smtp::to_lower(recipient);
  const auto entry = std::ranges::find_if(entries_, [&](const Entry& e) {
    return one_fits(e.to, to, domain) && one_fits(e.from, from, domain_of(from));
  });
  return entry == entries_.end() ? otherwise_ : entry->choice;
}

}  // namespace postern::delivery
