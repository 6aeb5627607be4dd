#pragma once

#include "base/result.h"

#include "scan/verdict.h"
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

/// The packets of the milter protocol, version 6: a length of four octets (of command and data), one octet of
/// command, data. There is no standard; the names are those of Sendmail's libmilter/mfdef.h. Pure.
namespace postern::scan::milter {

inline constexpr std::uint32_t kVersion = 6;
/// The largest packet we take: libmilter's own are 64 KiB and a little.
inline constexpr std::uint32_t kMaxPacket = 256 * 1024;
/// SMFIF_*: what we let a filter ask for (ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS, QUARANTINE, CHGFROM, ADDRCPT_PAR).
/// libmilter ends the conversation when one of those that a filter may need some day is missing, so all are offered;
/// what we do not do is refused when it is asked for: forbidden().
inline constexpr std::uint32_t kActions = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80;

/// SMFIP_*: steps that a filter does not want to see (kNo...), or answers that it does not send (kQuiet...).
enum Protocol : std::uint32_t {
  kNoConnect = 0x1,
  kNoHelo = 0x2,
  kNoMail = 0x4,
  kNoRcpt = 0x8,
  kNoBody = 0x10,
  kNoHeaders = 0x20,
  kNoEndOfHeaders = 0x40,
  kQuietHeader = 0x80,
  kNoUnknown = 0x100,
  kNoData = 0x200,
  kMaySkip = 0x400,
  kQuietConnect = 0x1000,
  kQuietHelo = 0x2000,
  kQuietMail = 0x4000,
  kQuietRcpt = 0x8000,
  kQuietData = 0x10000,
  kQuietUnknown = 0x20000,
  kQuietEndOfHeaders = 0x40000,
  kQuietBody = 0x80000,
  kLeadingSpace = 0x100000,
  kAllProtocol = kNoConnect | kNoHelo | kNoMail | kNoRcpt | kNoBody | kNoHeaders | kNoEndOfHeaders |
                 kQuietHeader | kNoUnknown | kNoData | kMaySkip | kQuietConnect | kQuietHelo | kQuietMail |
                 kQuietRcpt | kQuietData | kQuietUnknown | kQuietEndOfHeaders | kQuietBody | kLeadingSpace,
};

struct Packet {
  char command = 0;
  std::string data;
};

[[nodiscard]] std::string wire(char command, std::string_view data);
/// Each text with a NUL behind it.
[[nodiscard]] std::string texts(std::initializer_list<std::string_view> all);
/// Four octets, most significant first.
[[nodiscard]] std::string number(std::uint32_t value);

/// Takes the first packet off `buffer`; nothing: more octets are needed. Errors: Malformed, a length of 0; Exhausted.
[[nodiscard]] Result<std::optional<Packet>> take_packet(std::string& buffer);

/// The answer to our offer: which of `Protocol` the filter wants. Errors: Malformed; Denied: it insists on something
/// that we do not let filters do, or speaks a version before 2.
[[nodiscard]] Result<std::uint32_t> read_negotiation(const Packet& packet);

/// A packet that decides: 'a', 'd', 'r', 't', 'y', or 'q' (quarantine: refused, with the filter's reason). Nothing: it is none of them. Error: Malformed.
[[nodiscard]] Result<std::optional<Verdict>> read_decision(const Packet& packet);

/// What a packet asks for that no filter may do here: "replace the body", "add a recipient", ...; "" for all others.
[[nodiscard]] std::string_view forbidden(const Packet& packet);

/// A packet that changes the header: 'h', 'i' or 'm'. Nothing: it is none of them. Error: Malformed.
[[nodiscard]] Result<std::optional<Edit>> read_edit(const Packet& packet);

}  // namespace postern::scan::milter
