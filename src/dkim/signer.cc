#include "dkim/signer.h"

#include "base/base64.h"
#include "dkim/canonical.h"
#include "mail/header.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace postern::dkim {
namespace {

/// Signed wherever they occur. The first kOversigned of them also once more than they occur.
constexpr std::array<std::string_view, 31> kSigned{"From",
                                                   "To",
                                                   "Cc",
                                                   "Subject",
                                                   "Date",
                                                   "Reply-To",
                                                   "Message-ID",
                                                   "MIME-Version",
                                                   "Content-Type",
                                                   "Content-Transfer-Encoding",
                                                   "Sender",
                                                   "In-Reply-To",
                                                   "References",
                                                   "Resent-Date",
                                                   "Resent-From",
                                                   "Resent-Sender",
                                                   "Resent-To",
                                                   "Resent-Cc",
                                                   "Resent-Message-ID",
                                                   "List-Id",
                                                   "List-Help",
                                                   "List-Unsubscribe",
                                                   "List-Unsubscribe-Post",
                                                   "List-Subscribe",
                                                   "List-Post",
                                                   "List-Owner",
                                                   "List-Archive",
                                                   "Content-Description",
                                                   "Content-ID",
                                                   "Auto-Submitted",
                                                   "Feedback-ID"};
constexpr std::size_t kOversigned = 10;
constexpr std::size_t kLineLength = 76;

/// Appends `word` to a folded field, on a new line when it would not fit.
void append_folded(std::string& field, std::size_t& line, std::string_view word) {
  if (line + word.size() > kLineLength) {
    field += "\r\n\t";
    line = 8;
  }
  field += word;
  line += word.size();
}

void append_base64(std::string& field, std::size_t& line, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t room = line < kLineLength ? kLineLength - line : 0;
    if (room == 0) {
      field += "\r\n\t";
      line = 8;
      continue;
    }
    const std::size_t part = std::min(room, text.size() - at);
    field.append(text, at, part);
    line += part;
    at += part;
  }
}

/// Names for h= with how often each stands there.
std::vector<std::string_view> names_to_sign(const mail::Header& header) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kSigned.size(); ++i) {
    const std::size_t times = header.count(kSigned[i]) + (i < kOversigned ? 1U : 0U);
    names.insert(names.end(), times, kSigned[i]);
  }
  return names;
}

/// The fields named in h=, each name taking the next instance from the bottom up (§5.4.2), in relaxed form.
std::string signed_fields(const mail::Header& header, const std::vector<std::string>& names) {
  std::string out;
  std::unordered_map<std::string, std::size_t> taken;
  for (const std::string& name : names) {
    std::size_t skip = taken[name]++;
    for (auto field = header.fields().rbegin(); field != header.fields().rend(); ++field) {
      if (!mail::same_name(field->name(), name)) continue;
      if (skip-- > 0) continue;
      out += relaxed_field(field->raw);
      break;
    }
  }
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view header_part(std::string_view message) {
  if (message.starts_with("\r\n")) return {};
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? message : message.substr(0, end + 2);
}

/// tag-list of §3.2, white space removed from the values.
std::unordered_map<std::string, std::string> parse_tags(std::string_view value) {
  std::unordered_map<std::string, std::string> tags;
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(';'), value.size());
    std::string tag;
    for (const char c : value.substr(0, end)) {
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') tag += c;
    }
    if (const std::size_t equals = tag.find('='); equals != std::string::npos)
      tags[tag.substr(0, equals)] = tag.substr(equals + 1);
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return tags;
}

std::vector<std::string> split_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::size_t colon = std::min(list.find(':'), list.size());
    names.push_back(lower(list.substr(0, colon)));
    list.remove_prefix(std::min(colon + 1, list.size()));
  }
  return names;
}

}  // namespace

Result<std::string> sign(const SigningKey& key, const SignOptions& options, std::string_view header_octets,
                         std::string_view body_hash) {
  POSTERN_TRY(const mail::Header header, mail::Header::parse(header_part(header_octets)));
  const std::vector<std::string_view> names = names_to_sign(header);
  const auto t = std::chrono::floor<std::chrono::seconds>(options.now).time_since_epoch();

  std::string field = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=" + options.domain +
                      ";\r\n\ts=" + options.selector + "; t=" + std::to_string(t.count()) + ";";
  if (options.expires_after) field += " x=" + std::to_string((t + *options.expires_after).count()) + ";";
  field += "\r\n\th=";
  std::size_t line = 10;
  std::vector<std::string> lowered;
  for (std::size_t i = 0; i < names.size(); ++i) {
    append_folded(field, line, std::string(names[i]) + (i + 1 < names.size() ? ":" : ";"));
    lowered.push_back(lower(names[i]));
  }
  field += "\r\n\tbh=" + base64_encode(body_hash) + ";\r\n\tb=";

  // The signature covers the fields, then this field with an empty b= and without its CRLF (§3.7).
  std::string covered = signed_fields(header, lowered) + relaxed_field(field);
  covered.resize(covered.size() - 2);
  POSTERN_TRY(const std::string signature, key.sign(covered));
  line = 10;
  append_base64(field, line, base64_encode(signature));
  field += "\r\n";
  return field;
}

Result<Verified> verify(const SigningKey& key, std::string_view message) {
  POSTERN_TRY(const mail::Header header, mail::Header::parse(header_part(message)));
  const mail::HeaderField* field = header.find("DKIM-Signature");
  if (field == nullptr) return fail(Errc::NotFound, "no DKIM-Signature");
  auto tags = parse_tags(std::string_view(field->raw).substr(field->raw.find(':') + 1));
  if (tags["a"] != "rsa-sha256" || tags["c"] != "relaxed/relaxed")
    return fail(Errc::Malformed, "not our kind of signature");

  BodyHash body;
  const std::size_t head = header_part(message).size();
  body.update(message.substr(std::min(head + 2, message.size())));
  if (base64_encode(body.finish()) != tags["bh"]) return fail(Errc::Denied, "the body was changed");

  // b= is the last tag of the fields that sign() makes: what follows it is blanked (§3.7).
  const std::size_t b = field->raw.rfind("\tb=");
  if (b == std::string::npos) return fail(Errc::Malformed, "no b= tag");
  std::string covered =
      signed_fields(header, split_names(tags["h"])) + relaxed_field(field->raw.substr(0, b + 3));
  covered.resize(covered.size() - 2);
  POSTERN_TRY(const std::string signature, base64_decode(tags["b"]));
  if (!key.verifies(covered, signature)) return fail(Errc::Denied, "a signed header field was changed");
  return Verified{tags["d"], tags["s"]};
}

}  // namespace postern::dkim
