#include "probe/report.h"

/// The words of the observations, as JSON and the documentation have them.
namespace postern::probe {

const char* to_string(TcpOutcome outcome) {
  switch (outcome) {
    case TcpOutcome::Open:
      return "open";
    case TcpOutcome::RefusedByReset:
      return "refused-by-reset";
    case TcpOutcome::RefusedByIcmp:
      return "refused-by-icmp";
    case TcpOutcome::Prohibited:
      return "prohibited-by-icmp";
    case TcpOutcome::HostUnreachable:
      return "host-unreachable";
    case TcpOutcome::NetworkUnreachable:
      return "network-unreachable";
    case TcpOutcome::ProtocolUnreachable:
      return "protocol-unreachable";
    case TcpOutcome::NoRoute:
      return "no-route";
    case TcpOutcome::DeniedHere:
      return "denied-here";
    case TcpOutcome::Silent:
      return "no-answer";
    case TcpOutcome::OtherError:
      return "error";
  }
  return "unknown";
}

const char* to_string(BannerOutcome outcome) {
  switch (outcome) {
    case BannerOutcome::NotTried:
      return "not-tried";
    case BannerOutcome::Ready:
      return "ready";
    case BannerOutcome::Refused:
      return "refused";
    case BannerOutcome::OtherProtocol:
      return "other-protocol";
    case BannerOutcome::Silent:
      return "silent";
    case BannerOutcome::Closed:
      return "closed";
    case BannerOutcome::Reset:
      return "reset";
  }
  return "unknown";
}

const char* to_string(TlsOutcome outcome) {
  switch (outcome) {
    case TlsOutcome::NotTried:
      return "not-tried";
    case TlsOutcome::Done:
      return "done";
    case TlsOutcome::PeerSpokeClear:
      return "peer-spoke-clear-text";
    case TlsOutcome::Alert:
      return "alert";
    case TlsOutcome::Closed:
      return "closed";
    case TlsOutcome::Reset:
      return "reset";
    case TlsOutcome::Timeout:
      return "timeout";
    case TlsOutcome::Failed:
      return "failed";
  }
  return "unknown";
}

const char* to_string(DnsOutcome outcome) {
  switch (outcome) {
    case DnsOutcome::NotNeeded:
      return "not-needed";
    case DnsOutcome::Found:
      return "found";
    case DnsOutcome::NoSuchName:
      return "no-such-name";
    case DnsOutcome::NoAddress:
      return "no-address";
    case DnsOutcome::Failed:
      return "failed";
    case DnsOutcome::Timeout:
      return "timeout";
    case DnsOutcome::Bogus:
      return "bogus";
  }
  return "unknown";
}

const char* to_string(DnssecState state) {
  switch (state) {
    case DnssecState::NotChecked:
      return "not-checked";
    case DnssecState::Secure:
      return "secure";
    case DnssecState::Insecure:
      return "insecure";
    case DnssecState::Bogus:
      return "bogus";
    case DnssecState::ResolverStrips:
      return "resolver-drops-signatures";
    case DnssecState::Unknown:
      return "unknown";
  }
  return "unknown";
}

const char* to_string(DaneState state) {
  switch (state) {
    case DaneState::NotChecked:
      return "not-checked";
    case DaneState::NoRecords:
      return "no-records";
    case DaneState::NotSecure:
      return "not-secure";
    case DaneState::Matches:
      return "matches";
    case DaneState::Mismatch:
      return "mismatch";
    case DaneState::Unusable:
      return "unusable";
    case DaneState::LookupFailed:
      return "lookup-failed";
    case DaneState::Bogus:
      return "bogus";
  }
  return "unknown";
}

const char* to_string(MtaStsState state) {
  switch (state) {
    case MtaStsState::NotChecked:
      return "not-checked";
    case MtaStsState::None:
      return "none";
    case MtaStsState::Enforce:
      return "enforce";
    case MtaStsState::Testing:
      return "testing";
    case MtaStsState::Off:
      return "off";
    case MtaStsState::Broken:
      return "broken";
  }
  return "unknown";
}

const char* to_string(Severity severity) {
  switch (severity) {
    case Severity::Note:
      return "note";
    case Severity::Warning:
      return "warning";
    case Severity::Fault:
      return "fault";
  }
  return "unknown";
}

}  // namespace postern::probe
