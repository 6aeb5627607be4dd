#pragma once

#include "base/clock.h"
#include "net/endpoint.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What a check saw, as plain data: no judgement in here (that is verdict.h) and no sockets.
namespace postern::probe {

using Elapsed = std::chrono::milliseconds;

/// How a TCP connection attempt ended.
enum class TcpOutcome {
  Open,
  RefusedByReset,       ///< RST: nothing listens, or a firewall that answers in the host's name
  RefusedByIcmp,        ///< ICMP port unreachable: a firewall's REJECT; hosts answer TCP with RST
  Prohibited,           ///< ICMP administratively prohibited (network, host or communication)
  HostUnreachable,      ///< ICMP host/address unreachable, or nobody answers ARP/ND on the last hop
  NetworkUnreachable,   ///< ICMP network unreachable, from a router
  ProtocolUnreachable,  ///< ICMP protocol unreachable
  NoRoute,              ///< this machine has no way to that kind of address at all
  DeniedHere,           ///< this machine's own rules forbid it (EPERM, EACCES without ICMP)
  Silent,               ///< no answer of any kind in time: filtered, or nobody there
  OtherError,
};

struct TcpSeen {
  TcpOutcome outcome = TcpOutcome::Silent;
  std::string icmp;                      ///< "admin-prohibited", as nft names it; empty: no ICMP was seen
  std::optional<net::IpAddress> sender;  ///< who sent the ICMP message
  bool sender_is_us = false;             ///< this machine made it: its own rules, or nobody answers ARP/ND
  std::string error;                     ///< the system's words
  std::optional<net::IpAddress> local;   ///< our own address on the open connection
  Elapsed elapsed{};
};

/// What the first octets from a peer look like.
enum class Protocol { None, Smtp, Tls, Http, Ssh, Imap, Pop3, ManageSieve, Lmtp, Unknown };

enum class BannerOutcome { NotTried, Ready, Refused, OtherProtocol, Silent, Closed, Reset };

struct BannerSeen {
  BannerOutcome outcome = BannerOutcome::NotTried;
  int code = 0;
  std::string text;  ///< first line or what came instead, printable
  Protocol protocol = Protocol::None;
  Elapsed first_octet{};  ///< from the connection
  Elapsed complete{};
  bool paused = false;  ///< the lines of a 220- came apart: a greet pause against early talkers
  bool masked = false;  ///< "220 ****": an SMTP "fixup" of a firewall
  Protocol answers_tls_with = Protocol::None;  ///< silent ports: what a TLS hello brought
};

/// A command and what came back. code 0: no usable reply.
struct Exchange {
  int code = 0;
  std::string text;   ///< with the enhanced code, one line
  std::string error;  ///< "closed", "timeout", ...; empty when a reply came
  Elapsed elapsed{};
};

struct EhloSeen {
  bool tried = false;
  bool helo_only = false;  ///< EHLO was refused, HELO was not
  Exchange reply;
  std::string greeting_name;
  std::vector<std::string> keywords;    ///< upper case with parameters, "SIZE 1000"
  std::vector<std::string> mechanisms;  ///< of AUTH
  bool masked = false;                  ///< keywords overwritten with X: a middlebox
  [[nodiscard]] bool offers(const std::string& keyword) const;
};

struct StartTlsSeen {
  bool tried = false;
  bool offered = false;
  Exchange reply;       ///< also when it was not offered: we ask all the same
  bool wanted = false;  ///< not offered, and yet MAIL is answered "must issue STARTTLS first"
  std::string wanted_text;
};

struct CertificateSeen {
  std::string subject;
  std::string issuer;
  std::vector<std::string> names;  ///< DNS and IP of subjectAltName
  TimePoint not_before{};
  TimePoint not_after{};
  std::string key;        ///< "RSA 2048", "EC P-256"
  std::string signature;  ///< "sha256WithRSAEncryption"
  bool self_issued = false;
  std::string weakness;  ///< empty, or why it is too weak: "RSA key of 1024 bits"
  std::string sha256;    ///< of the DER, hex
  std::string der;       ///< octets
  std::string spki;      ///< DER of the public key
};

enum class TlsOutcome { NotTried, Done, PeerSpokeClear, Alert, Closed, Reset, Timeout, Failed };

struct TlsSeen {
  TlsOutcome outcome = TlsOutcome::NotTried;
  std::string error;  ///< in words
  std::string version;
  std::string cipher;
  int cipher_bits = 0;
  std::string group;
  std::vector<CertificateSeen> chain;      ///< as sent, leaf first
  std::vector<std::string> verify_errors;  ///< OpenSSL's words, without duplicates; empty: the chain is good
  bool untrusted = false;                  ///< no way to a trusted root
  bool self_signed = false;                ///< the leaf signed itself
  bool expired = false;                    ///< any of the chain that counts
  bool not_yet_valid = false;
  bool other_chain_error = false;
  bool name_matches = false;
  std::string first_octets;  ///< PeerSpokeClear: what came
  Protocol protocol = Protocol::None;
  std::vector<std::string> old_versions;  ///< below TLS 1.2, taken beside the version of this session
  Elapsed elapsed{};
  [[nodiscard]] bool verified() const;
  [[nodiscard]] bool is_old() const;  ///< below TLS 1.2, which RFC 8996 forbids
};

struct RelaySeen {
  bool tried = false;
  Exchange mail;
  Exchange recipient;  ///< an address of somebody else's domain; nothing is ever sent
  [[nodiscard]] bool accepted() const { return recipient.code / 100 == 2; }
};

struct LoginSeen {
  bool tried = false;
  bool with_token = false;    ///< OAuth 2.0, and not a password
  std::string refused_by_us;  ///< why we did not send the secret
  std::string mechanism;
  Exchange reply;
};

struct MessageSeen {
  bool tried = false;
  std::string failed_at;  ///< "MAIL", "RCPT", "DATA", "message"; empty: accepted
  Exchange reply;
};

/// DANE for one host and port (RFC 6698, RFC 7672).
enum class DaneState { NotChecked, NoRecords, NotSecure, Matches, Mismatch, Unusable, LookupFailed, Bogus };

/// Everything about one address and port.
struct EndpointSeen {
  std::string host;
  net::IpAddress ip;
  std::uint16_t port = 0;
  bool implicit_tls = false;  ///< what this port is for; or what an unknown port turned out to speak
  bool mode_guessed = false;  ///< not a port with a known mode
  TcpSeen tcp;
  BannerSeen banner;
  EhloSeen ehlo;
  StartTlsSeen starttls;
  TlsSeen tls;
  DaneState dane = DaneState::NotChecked;
  EhloSeen ehlo_tls;
  bool auth_clear_tried = false;
  Exchange auth_clear;  ///< AUTH without credentials before TLS; 334 means that it would take them
  RelaySeen relay;
  LoginSeen login;
  MessageSeen message;
  bool same_host = false;           ///< the address is one of this machine's
  bool everything_answers = false;  ///< 192.0.2.1 (reserved, RFC 5737) took a connection to the same port
  bool deadline_hit = false;
};

enum class DnsOutcome { NotNeeded, Found, NoSuchName, NoAddress, Failed, Timeout, Bogus };
enum class DnssecState { NotChecked, Secure, Insecure, Bogus, ResolverStrips, Unknown };

/// DnsSeen::error of what no DNS name looks like.
inline constexpr const char* kNotADnsName = "not a DNS name";

struct DnsSeen {
  std::string name;
  DnsOutcome outcome = DnsOutcome::NotNeeded;
  std::string error;
  DnssecState dnssec = DnssecState::NotChecked;
  std::vector<net::IpAddress> ips;
  Elapsed elapsed{};
};

/// One name that was found for a domain.
struct ServiceHost {
  std::string host;
  std::uint16_t port = 0;
  std::string source;  ///< "SRV _submissions._tcp", "MX"
};

enum class MtaStsState { NotChecked, None, Enforce, Testing, Off, Broken };

struct DomainSeen {
  std::string domain;
  std::vector<ServiceHost> hosts;
  std::vector<std::string> notes;  ///< "no SRV record _submission._tcp"
  std::string error;
  MtaStsState mta_sts = MtaStsState::NotChecked;
  std::vector<std::string> mta_sts_mx;  ///< patterns
  std::string mta_sts_error;
};

struct HostSeen {
  DnsSeen dns;
  std::vector<EndpointSeen> endpoints;
};

struct CheckSeen {
  TimePoint started{};
  std::optional<DomainSeen> domain;
  std::vector<HostSeen> hosts;
  Elapsed elapsed{};
};

}  // namespace postern::probe
