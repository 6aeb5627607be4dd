#include "delivery/tls_session.h"

#include <utility>

namespace postern::delivery {
namespace {

using tlspolicy::SessionResult;
using tlspolicy::StsProblem;
using tlspolicy::TlsResult;

TlsResult result_of(net::VerifyFailure failure) {
  switch (failure) {
    case net::VerifyFailure::Expired:
      return TlsResult::CertificateExpired;
    case net::VerifyFailure::Name:
      return TlsResult::CertificateHostMismatch;
    case net::VerifyFailure::Untrusted:
      return TlsResult::CertificateNotTrusted;
    case net::VerifyFailure::None:
    case net::VerifyFailure::NoTlsaMatch:
    case net::VerifyFailure::Other:
      break;
  }
  return TlsResult::ValidationFailure;
}

TlsResult result_of(StsProblem problem) {
  switch (problem) {
    case StsProblem::Invalid:
      return TlsResult::StsPolicyInvalid;
    case StsProblem::WebPki:
      return TlsResult::StsWebPkiInvalid;
    case StsProblem::None:
    case StsProblem::Fetch:
      break;
  }
  return TlsResult::StsPolicyFetchError;
}

/// Whether a verified certificate was asked for, be it only to see whether it would be there.
bool wants_verification(const NextHop& hop, const TlsDecision& decision) {
  return decision.applied.type == "sts" && hop.tls.sts_policy() != nullptr;
}

}  // namespace

std::vector<SessionResult> sessions_of(const NextHop& hop, const Target& target, const TlsDecision& decision,
                                       const Client::Opened& opened) {
  std::vector<SessionResult> out;
  const auto add = [&](TlsResult result, std::string reason) {
    out.push_back({{},
                   decision.applied,
                   result,
                   target.host,
                   target.endpoint.ip.text(),
                   opened.local_ip,
                   std::move(reason)});
  };
  // Without a session or a fault of TLS there is nothing to tell.
  const bool without_tls = opened.client && !opened.tls;
  if (!opened.client && !opened.tls && !opened.tls_short) return out;
  if (hop.tls.sts && hop.tls.sts->problem != StsProblem::None)
    add(result_of(hop.tls.sts->problem), hop.tls.sts->why);
  if (without_tls || !opened.tls) {
    const bool offered = opened.starttls_offered;
    add(offered ? TlsResult::ValidationFailure : TlsResult::StartTlsNotSupported,
        offered ? "STARTTLS was refused" : "");
  } else if (opened.tls_broke || (wants_verification(hop, decision) && opened.tls->verified_by.empty())) {
    const std::string& why = opened.tls->verify_error;
    add(result_of(opened.tls->verify_failure), why.empty() ? "the handshake failed" : why);
  } else if (wants_verification(hop, decision) && !hop.tls.sts_policy()->names(target.host)) {
    add(TlsResult::ValidationFailure, "mx-mismatch");
  } else {
    add(TlsResult::Success, {});
  }
  if (decision.applied.type == "tlsa" && decision.client && opened.tls && opened.tls->verified_by.empty() &&
      !opened.tls_broke)
    add(TlsResult::TlsaInvalid, "no TLSA record is usable");
  return out;
}

SessionResult unusable_host(const NextHop& hop, const Target& target, const Error& why) {
  SessionResult session;
  session.policy.domain = hop.tls.domain;
  session.mx_host = target.host;
  session.mx_ip = target.endpoint.ip.text();
  session.reason = why.detail;
  if (why.code == Errc::Unavailable) {
    session.policy.type = "tlsa";
    session.policy.mx_hosts = {target.host};
    session.result = TlsResult::DnssecInvalid;
    return session;
  }
  if (const tlspolicy::StsPolicy* policy = hop.tls.sts_policy()) {
    session.policy.type = "sts";
    session.policy.mx_hosts = policy->mx;
    session.reason = "mx-mismatch";
    session.result = TlsResult::ValidationFailure;
    return session;
  }
  session.result = TlsResult::DaneRequired;
  return session;
}

std::string describe_security(const Client& client, const std::string& reason) {
  if (!client.stream().is_tls()) return "cleartext (" + reason + ")";
  return describe_security(client.stream().tls_info(), reason);
}

std::string describe_security(const std::optional<net::TlsInfo>& tls, const std::string& reason) {
  if (!tls || tls->version.empty()) return "";
  return tls->version + " " + tls->cipher +
         (tls->verified_by.empty() ? " unverified" : " verified by " + tls->verified_by) + " (" + reason +
         ")";
}

}  // namespace postern::delivery
