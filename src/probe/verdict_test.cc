#include "probe/verdict.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>
#include <sstream>

namespace postern::probe {
namespace {

using std::chrono::hours;

const TimePoint kNow{std::chrono::milliseconds{1'800'000'000'000}};
const net::IpAddress kIp = net::IpAddress::parse("192.0.2.10").value();
const net::IpAddress kIp6 = net::IpAddress::parse("2001:db8::10").value();
const net::IpAddress kRouter = net::IpAddress::parse("192.0.2.254").value();

EhloSeen greeting(std::vector<std::string> keywords, std::vector<std::string> mechanisms) {
  EhloSeen seen;
  seen.tried = true;
  seen.reply.code = 250;
  seen.keywords = std::move(keywords);
  seen.mechanisms = std::move(mechanisms);
  return seen;
}

/// A server without fault on `port`.
EndpointSeen good(std::uint16_t port = 587, const net::IpAddress& ip = kIp) {
  EndpointSeen seen;
  seen.host = "mail.example.org";
  seen.ip = ip;
  seen.port = port;
  seen.implicit_tls = port == 465;
  seen.tcp.outcome = TcpOutcome::Open;
  seen.banner.outcome = BannerOutcome::Ready;
  seen.banner.code = 220;
  if (!seen.implicit_tls) {
    seen.ehlo = greeting({"STARTTLS"}, {});
    seen.auth_clear_tried = true;
    seen.auth_clear.code = 530;
    seen.starttls.tried = true;
    seen.starttls.offered = true;
    seen.starttls.reply.code = 220;
  }
  seen.tls.outcome = TlsOutcome::Done;
  seen.tls.version = "TLSv1.3";
  seen.tls.cipher_bits = 256;
  seen.tls.name_matches = true;
  CertificateSeen leaf;
  leaf.names = {"mail.example.org"};
  leaf.not_after = kNow + hours{24 * 60};
  seen.tls.chain = {leaf};
  seen.ehlo_tls = greeting({"AUTH PLAIN"}, {"PLAIN"});
  seen.relay.tried = true;
  seen.relay.mail.code = 530;
  return seen;
}

EndpointSeen not_open(TcpOutcome outcome, std::uint16_t port = 587, const net::IpAddress& ip = kIp) {
  EndpointSeen seen;
  seen.host = "mail.example.org";
  seen.ip = ip;
  seen.port = port;
  seen.tcp.outcome = outcome;
  return seen;
}

struct Case {
  const char* name;
  std::function<void(EndpointSeen&)> spoil;
  Failure failure;
  const char* cause_says;  ///< part of what or cause
};

class EndpointJudgement : public testing::TestWithParam<Case> {};

TEST_P(EndpointJudgement, NamesTheFailure) {
  EndpointSeen seen = good();
  GetParam().spoil(seen);
  const EndpointVerdict verdict = judge_endpoint(seen, {seen}, {.now = kNow});
  EXPECT_EQ(verdict.failure(), GetParam().failure) << name_of(verdict.failure());
  if (GetParam().failure == Failure::None) return;
  const Finding& fault = *verdict.fault();
  EXPECT_NE((fault.what + fault.cause).find(GetParam().cause_says), std::string::npos)
      << fault.what << fault.cause;
  EXPECT_FALSE(fault.next.empty());
}

void icmp(EndpointSeen& seen, TcpOutcome outcome, const char* name, const net::IpAddress& from) {
  seen.tcp.outcome = outcome;
  seen.tcp.icmp = name;
  seen.tcp.sender = from;
}

INSTANTIATE_TEST_SUITE_P(
    Faults, EndpointJudgement,
    testing::Values(
        Case{"good", [](EndpointSeen&) {}, Failure::None, ""},
        Case{"silent", [](EndpointSeen& s) { s.tcp.outcome = TcpOutcome::Silent; }, Failure::Filtered,
             "firewall"},
        Case{"silent_25",
             [](EndpointSeen& s) {
               s.port = 25;
               s.tcp.outcome = TcpOutcome::Silent;
             },
             Failure::Filtered, "providers block outgoing port 25"},
        Case{"reset", [](EndpointSeen& s) { s.tcp.outcome = TcpOutcome::RefusedByReset; }, Failure::Refused,
             "no program listens"},
        Case{"reject", [](EndpointSeen& s) { icmp(s, TcpOutcome::RefusedByIcmp, "port-unreachable", kIp); },
             Failure::RefusedByFirewall, "host's own firewall"},
        Case{"router", [](EndpointSeen& s) { icmp(s, TcpOutcome::Prohibited, "admin-prohibited", kRouter); },
             Failure::RefusedByFirewall, "router on the way (192.0.2.254)"},
        Case{"reject_as_host_unreachable",
             [](EndpointSeen& s) { icmp(s, TcpOutcome::HostUnreachable, "host-unreachable", kIp); },
             Failure::RefusedByFirewall, "host's own firewall"},
        Case{"host_unreachable",
             [](EndpointSeen& s) { icmp(s, TcpOutcome::HostUnreachable, "host-unreachable", kRouter); },
             Failure::Unreachable, "192.0.2.254"},
        Case{"no_route", [](EndpointSeen& s) { s.tcp.outcome = TcpOutcome::NoRoute; }, Failure::NoRoute,
             "no route"},
        Case{"closed_at_once", [](EndpointSeen& s) { s.banner.outcome = BannerOutcome::Closed; },
             Failure::Dropped, "before any banner"},
        Case{"intercepted",
             [](EndpointSeen& s) {
               s.banner.outcome = BannerOutcome::Closed;
               s.everything_answers = true;
             },
             Failure::Dropped, "middlebox takes every connection"},
        Case{"silent_server", [](EndpointSeen& s) { s.banner.outcome = BannerOutcome::Silent; },
             Failure::NoBanner, "says nothing"},
        Case{"tls_on_587",
             [](EndpointSeen& s) {
               s.banner.outcome = BannerOutcome::OtherProtocol;
               s.banner.protocol = Protocol::Tls;
             },
             Failure::WrongTlsMode, "speaks TLS at once"},
        Case{"http",
             [](EndpointSeen& s) {
               s.banner.outcome = BannerOutcome::OtherProtocol;
               s.banner.protocol = Protocol::Http;
             },
             Failure::OtherProtocol, "HTTP"},
        Case{"refused_554",
             [](EndpointSeen& s) {
               s.banner.outcome = BannerOutcome::Refused;
               s.banner.code = 554;
             },
             Failure::ServiceRefused, "block list"},
        Case{"ehlo_refused", [](EndpointSeen& s) { s.ehlo.reply.code = 550; }, Failure::EhloRefused, "EHLO"},
        Case{"no_starttls",
             [](EndpointSeen& s) {
               s.starttls.offered = false;
               s.starttls.reply.code = 502;
               s.tls.outcome = TlsOutcome::NotTried;
             },
             Failure::NoStartTls, "does not offer"},
        Case{"stripped_but_works", [](EndpointSeen& s) { s.starttls.offered = false; },
             Failure::StartTlsStripped, "works all the same"},
        Case{"stripped_masked",
             [](EndpointSeen& s) {
               s.starttls.offered = false;
               s.ehlo.masked = true;
               s.starttls.reply.code = 500;
             },
             Failure::StartTlsStripped, "overwritten with X"},
        Case{"stripped_wanted",
             [](EndpointSeen& s) {
               s.starttls.offered = false;
               s.starttls.reply.code = 500;
               s.starttls.wanted = true;
               s.starttls.wanted_text = "5.7.0 Must issue a STARTTLS command first";
             },
             Failure::StartTlsStripped, "itself asks for it"},
        Case{"starttls_454", [](EndpointSeen& s) { s.starttls.reply.code = 454; }, Failure::StartTlsRefused,
             "certificate or key"},
        Case{"handshake_alert", [](EndpointSeen& s) { s.tls.outcome = TlsOutcome::Alert; },
             Failure::TlsFailed, "handshake"},
        Case{"expired",
             [](EndpointSeen& s) {
               s.tls.expired = true;
               s.tls.verify_errors = {"certificate has expired"};
               s.tls.chain[0].not_after = kNow - hours{24};
             },
             Failure::CertificateExpired, "expired on"},
        Case{"wrong_name", [](EndpointSeen& s) { s.tls.name_matches = false; }, Failure::CertificateName,
             "not for mail.example.org"},
        Case{"self_signed",
             [](EndpointSeen& s) {
               s.tls.untrusted = s.tls.self_signed = true;
               s.tls.verify_errors = {"self-signed certificate"};
             },
             Failure::CertificateUntrusted, "self-signed"},
        Case{"no_intermediate",
             [](EndpointSeen& s) {
               s.tls.untrusted = true;
               s.tls.verify_errors = {"unable to get local issuer certificate"};
             },
             Failure::CertificateUntrusted, "no intermediate"},
        Case{"anonymous_tls", [](EndpointSeen& s) { s.tls.chain.clear(); }, Failure::Weak,
             "without any certificate"},
        Case{"port_25_may_be_self_signed",
             [](EndpointSeen& s) {
               s.port = 25;
               s.tls.untrusted = true;
               s.tls.verify_errors = {"self-signed certificate"};
             },
             Failure::None, ""},
        Case{"port_25_may_lack_tls",
             [](EndpointSeen& s) {
               s.port = 25;
               s.starttls.offered = false;
               s.starttls.reply.code = 502;
               s.tls.outcome = TlsOutcome::NotTried;
             },
             Failure::None, ""},
        Case{"weak_key", [](EndpointSeen& s) { s.tls.chain[0].weakness = "RSA key of 1024 bits"; },
             Failure::Weak, "1024"},
        Case{"old_tls", [](EndpointSeen& s) { s.tls.version = "TLSv1.1"; }, Failure::Weak, "TLSv1.1"},
        Case{"dane", [](EndpointSeen& s) { s.dane = DaneState::Mismatch; }, Failure::DaneMismatch, "TLSA"},
        Case{"no_auth", [](EndpointSeen& s) { s.ehlo_tls.mechanisms.clear(); }, Failure::NoAuth, "no login"},
        Case{"clear_auth", [](EndpointSeen& s) { s.ehlo.mechanisms = {"PLAIN"}; }, Failure::ClearTextAuth,
             "before TLS"},
        Case{"hidden_clear_auth", [](EndpointSeen& s) { s.auth_clear.code = 334; }, Failure::ClearTextAuth,
             "does not offer"},
        Case{"open_relay_comes_first",
             [](EndpointSeen& s) {
               s.tls.expired = true;
               s.relay.mail.code = 250;
               s.relay.recipient.code = 250;
             },
             Failure::OpenRelay, "stranger"},
        Case{"login",
             [](EndpointSeen& s) { s.login = {.tried = true, .mechanism = "PLAIN", .reply = {.code = 535}}; },
             Failure::LoginRefused, "password"},
        Case{"password_kept", [](EndpointSeen& s) { s.login.refused_by_us = "there is no TLS"; },
             Failure::PasswordNotSent, "not sent"},
        Case{"message_refused",
             [](EndpointSeen& s) {
               s.message.tried = true;
               s.message.failed_at = "RCPT";
             },
             Failure::MessageRefused, "RCPT"}),
    [](const auto& tested) { return std::string(tested.param.name); });

Verdict judge_host(std::vector<EndpointSeen> endpoints, bool asked) {
  CheckSeen seen;
  seen.hosts.push_back({.dns = {.name = "mail.example.org"}, .endpoints = std::move(endpoints)});
  return judge(seen, {.now = kNow, .ports_were_asked_for = asked});
}

TEST(HostVerdict, OneSubmissionPortIsEnoughUnlessPortsWereNamed) {
  const std::vector<EndpointSeen> endpoints{good(587), not_open(TcpOutcome::RefusedByReset, 465),
                                            not_open(TcpOutcome::Silent, 25),
                                            not_open(TcpOutcome::RefusedByReset, 2525)};
  EXPECT_EQ(judge_host(endpoints, false).failure, Failure::None);
  EXPECT_EQ(judge_host(endpoints, true).failure, Failure::Refused);
}

TEST(HostVerdict, NothingOpenSaysWhy) {
  const Verdict verdict =
      judge_host({not_open(TcpOutcome::Silent, 587), not_open(TcpOutcome::Silent, 465)}, false);
  EXPECT_EQ(verdict.failure, Failure::Filtered);
}

TEST(HostVerdict, BlackholedIpv6IsPartial) {
  const Verdict verdict = judge_host({good(587), not_open(TcpOutcome::Silent, 587, kIp6)}, true);
  EXPECT_EQ(verdict.failure, Failure::Partial);
  EXPECT_NE(verdict.summary.find("2001:db8::10"), std::string::npos);
  EXPECT_NE(verdict.cause.find("IPv6"), std::string::npos);
}

TEST(HostVerdict, NoIpv6HereIsNobodysFault) {
  EXPECT_EQ(judge_host({good(587), not_open(TcpOutcome::NoRoute, 587, kIp6)}, true).failure, Failure::None);
}

TEST(HostVerdict, WhatIsThereAndWrongSaysMoreThanWhatIsNotThere) {
  EndpointSeen expired = good(465);
  expired.tls.expired = true;
  EXPECT_EQ(judge_host({not_open(TcpOutcome::RefusedByReset, 587), expired}, false).failure,
            Failure::CertificateExpired);
}

TEST(HostVerdict, UnknownNameComesFirst) {
  CheckSeen seen;
  seen.hosts.push_back({.dns = {.name = "mail.example.org", .outcome = DnsOutcome::NoSuchName}});
  EXPECT_EQ(judge(seen, {.now = kNow}).failure, Failure::NoSuchName);
}

TEST(DomainVerdict, MxOutsideTheMtaStsPolicy) {
  CheckSeen seen;
  seen.domain.emplace();
  seen.domain->domain = "example.org";
  seen.domain->hosts = {{"mx.other.example", 25, "MX"}};
  seen.domain->mta_sts = MtaStsState::Enforce;
  seen.domain->mta_sts_mx = {"*.example.org"};
  EXPECT_EQ(judge(seen, {.now = kNow}).failure, Failure::MtaStsMismatch);
  seen.domain->mta_sts_mx = {"*.other.example"};
  EXPECT_EQ(judge(seen, {.now = kNow}).failure, Failure::None);
}

TEST(Failures, EachHasItsOwnExitCodeAndName) {
  std::set<int> codes;
  std::set<std::string_view> names;
  for (const FailureRow& row : failures()) {
    EXPECT_TRUE(codes.insert(exit_code(row.failure)).second) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NE(exit_code(row.failure), 1);  // the check failed
    EXPECT_NE(exit_code(row.failure), 2);  // the command line is wrong
  }
}

TEST(Failures, AreAllInTheManual) {
  std::ifstream file(std::string(POSTERN_SOURCE_DIR) + "/docs/check.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const FailureRow& row : failures()) {
    const std::string line = "| " + std::to_string(exit_code(row.failure)) + " | `" + std::string(row.name) +
                             "` | " + std::string(row.meaning) + " |";
    EXPECT_NE(text.str().find(line), std::string::npos) << line;
  }
}

TEST(Password, NeedsVerifiedTls) {
  EndpointSeen seen = good();
  EXPECT_EQ(why_no_secret(seen), "");
  seen.tls.name_matches = false;
  EXPECT_NE(why_no_secret(seen), "");
  seen = good();
  seen.tls.verify_errors = {"self-signed certificate"};
  EXPECT_NE(why_no_secret(seen), "");
  seen = good();
  seen.tls.chain[0].weakness = "RSA key of 512 bits";
  EXPECT_NE(why_no_secret(seen), "");
  seen = good();
  seen.tls.outcome = TlsOutcome::NotTried;
  EXPECT_NE(why_no_secret(seen), "");
}

}  // namespace
}  // namespace postern::probe
