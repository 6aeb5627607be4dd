#pragma once

#include "net/endpoint.h"
#include "net/loop.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::dns::testing {

/// A name server on a loopback UDP port, answering from a table; runs on the loop under test.
class FakeDnsServer {
 public:
  enum class Type : std::uint16_t { A = 1, Cname = 5, Mx = 15, Aaaa = 28 };
  static constexpr std::uint8_t kServFail = 2;

  explicit FakeDnsServer(net::Loop& loop);
  ~FakeDnsServer();
  FakeDnsServer(const FakeDnsServer&) = delete;
  FakeDnsServer& operator=(const FakeDnsServer&) = delete;

  [[nodiscard]] net::Endpoint endpoint() const;
  void add(const std::string& name, Type type, const std::string& rdata) {
    records_[name].emplace_back(type, rdata);
  }
  void add_mx(const std::string& name, std::uint16_t preference, std::string_view host);
  void add_cname(const std::string& name, std::string_view target);
  /// `name` exists, with nothing.
  void add_empty(const std::string& name) { records_[name]; }
  void fail_with(const std::string& name, std::uint8_t rcode) { failures_[name] = rcode; }
  /// Questions about `name` get no answer at all.
  void ignore(const std::string& name) { failures_[name] = kSilence; }

  /// "mail.example" in wire form.
  static std::string wire_name(std::string_view name);

 private:
  static constexpr std::uint8_t kSilence = 0xff;
  net::Task<> serve();
  [[nodiscard]] std::string answer(std::string_view query) const;

  net::Loop& loop_;
  int fd_ = -1;
  std::map<std::string, std::vector<std::pair<Type, std::string>>> records_;
  std::map<std::string, std::uint8_t> failures_;
};

}  // namespace postern::dns::testing
