#include "dns/testing/fake_dns_server.h"

#include "base/assert.h"
#include "dns/rdata.h"
#include "net/readiness.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace postern::dns::testing {
namespace {

constexpr std::size_t kHeaderSize = 12;
constexpr std::uint8_t kNxDomain = 3;
constexpr std::uint32_t kTtlSeconds = 60;

void append_number(std::string& out, std::uint32_t number, int octets) {
  for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(number >> static_cast<unsigned>(shift) & 0xffU);
  }
}

void append_record(std::string& out, const std::string& name, std::uint16_t type, const std::string& rdata) {
  out += FakeDnsServer::wire_name(name);
  append_number(out, type, 2);
  append_number(out, 1, 2);  // IN
  append_number(out, kTtlSeconds, 4);
  append_number(out, static_cast<std::uint32_t>(rdata.size()), 2);
  out += rdata;
}

}  // namespace

FakeDnsServer::FakeDnsServer(net::Loop& loop) : loop_(loop) {
  fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_storage address{};
  const socklen_t length = net::Endpoint{net::IpAddress::parse("127.0.0.1").value(), 0}.to_sockaddr(address);
  POSTERN_ASSERT(::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) == 0);
  loop_.spawn(serve());
}

FakeDnsServer::~FakeDnsServer() { ::close(fd_); }

net::Endpoint FakeDnsServer::endpoint() const {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
  return net::Endpoint::from_sockaddr(address);
}

std::string FakeDnsServer::wire_name(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    wire += static_cast<char>(label.size());
    wire += label;
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  return wire + '\0';
}

void FakeDnsServer::add_mx(const std::string& name, std::uint16_t preference, std::string_view host) {
  std::string rdata;
  append_number(rdata, preference, 2);
  add(name, Type::Mx, rdata + wire_name(host));
}

void FakeDnsServer::add_cname(const std::string& name, std::string_view target) {
  add(name, Type::Cname, wire_name(target));
}

net::Task<> FakeDnsServer::serve() {
  for (;;) {
    const Result<> ready = co_await net::wait_readable(loop_, fd_, SteadyTime::max());
    if (!ready) co_return;
    std::array<char, 1500> query{};
    sockaddr_storage from{};
    socklen_t length = sizeof(from);
    const ssize_t size =
        ::recvfrom(fd_, query.data(), query.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size < static_cast<ssize_t>(kHeaderSize)) continue;
    const std::string reply = answer({query.data(), static_cast<std::size_t>(size)});
    if (!reply.empty())
      ::sendto(fd_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  }
}

std::string FakeDnsServer::answer(std::string_view query) const {
  const std::size_t name_size = query.find('\0', kHeaderSize) + 1 - kHeaderSize;
  const std::string name = name_from_wire(query.substr(kHeaderSize, name_size)).value_or("?");
  const std::string_view question = query.substr(kHeaderSize, name_size + 4);
  const auto asked = static_cast<Type>(static_cast<unsigned char>(question[name_size + 1]));
  std::uint8_t rcode = records_.contains(name) ? 0 : kNxDomain;
  if (const auto found = failures_.find(name); found != failures_.end()) rcode = found->second;
  if (rcode == kSilence) return {};

  std::string records;
  std::uint32_t count = 0;
  if (rcode == 0) {
    for (const auto& [type, rdata] : records_.at(name)) {
      if (type != asked && type != Type::Cname) continue;
      append_record(records, name, static_cast<std::uint16_t>(type), rdata);
      ++count;
    }
  }
  std::string reply(query.substr(0, 2));
  append_number(reply, 0x8180U | rcode, 2);  // response, recursion desired and available
  append_number(reply, 1, 2);
  append_number(reply, count, 2);
  append_number(reply, 0, 2);
  append_number(reply, 0, 2);
  reply += question;
  return reply + records;
}

}  // namespace postern::dns::testing
