// What the back ends do without a server; with one: tests/e2e/test_login_backends.py.
#include "accounts/dovecot_backend.h"
#include "accounts/ldap_backend.h"
#include "net/listener.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace postern::accounts {
namespace {

TEST(Ldap, NamesCannotLeaveTheirPlace) {
  EXPECT_EQ(ldap_dn_escape("a,dc=evil+x\\"), "a\\2cdc\\3devil\\2bx\\5c");
  EXPECT_EQ(ldap_filter_escape("*)(uid=*"), "\\2a\\29\\28uid=\\2a");
  EXPECT_EQ(ldap_filter_escape(std::string_view("a\0b", 3)), "a\\00b");
  EXPECT_EQ(ldap_dn_escape("plain.name-1_\xC3\xA9"), "plain.name-1_\xC3\xA9");
}

TEST(Ldap, OptionsThatCannotWorkAreNamed) {
  EXPECT_NE(LdapBackend::create({}).error().detail.find("bind_dn or search_base"), std::string::npos);
  LdapOptions clear{.url = "ldap://localhost", .bind_dn = "uid=%u"};
  EXPECT_NE(LdapBackend::create(clear).error().detail.find("in clear"), std::string::npos);
  clear.allow_clear = true;
  EXPECT_TRUE(LdapBackend::create(clear));
  LdapOptions secret{.search_base = "dc=x", .search_password_file = "/nonexistent"};
  EXPECT_EQ(LdapBackend::create(secret).error().code, Errc::NotFound);
}

/// Accepts one connection at `path`, reads until `until`, and answers with what it was given; what it read.
std::string serve_once(int listening, const std::string& greeting, const std::string& until,
                       const std::string& answer) {
  const int fd = ::accept(listening, nullptr, nullptr);
  std::string seen;
  if (::write(fd, greeting.data(), greeting.size()) < 0) seen = "broken";
  char octet = 0;
  while (seen.find(until) == std::string::npos && ::read(fd, &octet, 1) == 1) seen += octet;
  while (!seen.empty() && seen.back() != '\n' && ::read(fd, &octet, 1) == 1) seen += octet;
  if (::write(fd, answer.data(), answer.size()) < 0) seen = "broken";
  ::close(fd);
  return seen;
}

class DovecotTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-dovecot-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(listening_, 1), 0);
  }
  void TearDown() override {
    ::close(listening_);
    std::filesystem::remove_all(dir_);
  }
  [[nodiscard]] std::string path() const { return dir_ + "/auth"; }
  net::Task<> ask(DovecotBackend& backend, Result<>& out) {
    out = co_await backend.check(loop_, "alice@example.org", "secret", *net::IpAddress::parse("192.0.2.1"));
    loop_.stop();
  }
  /// The error's name, or "right".
  std::string check(const std::string& greeting, const std::string& answer) {
    DovecotBackend backend({path(), std::chrono::seconds{5}}, clock_);
    std::thread peer([&] { seen_ = serve_once(listening_, greeting, "AUTH\t", answer); });
    Result<> out = fail(Errc::Internal, "did not run");
    loop_.spawn(ask(backend, out));
    loop_.run();
    peer.join();
    return out ? "right" : to_string(out.error().code);
  }
  std::string dir_;
  std::string seen_;
  int listening_ = -1;
  SystemClock clock_;
  net::Loop loop_;
};

TEST_F(DovecotTest, AsksAndUnderstandsTheAnswer) {
  const std::string greeting = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t2\nCOOKIE\t00\nDONE\n";
  EXPECT_EQ(check(greeting, "OK\t1\tuser=alice@example.org\n"), "right");
  EXPECT_TRUE(seen_.starts_with("VERSION\t1\t1\nCPID\t")) << seen_;
  EXPECT_TRUE(
      seen_.ends_with("\tPLAIN\tservice=smtp\tsecured\tno-penalty\trip=192.0.2.1\tresp="
                      "AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==\n"))
      << seen_;
  EXPECT_EQ(check(greeting, "FAIL\t1\tuser=alice@example.org\n"), "denied");
  EXPECT_EQ(check(greeting, "FAIL\t1\tuser=alice@example.org\ttemp\n"), "unavailable");
  EXPECT_EQ(check(greeting, "FAIL\t1\tcode=temp_fail\n"), "unavailable");
  EXPECT_EQ(check(greeting, "OK\t2\tuser=alice@example.org\n"), "unavailable")
      << "the answer to another question";
  EXPECT_EQ(check(greeting, ""), "closed") << "it goes away";
}

TEST_F(DovecotTest, WhatIsNotTheServiceCannotTell) {
  DovecotBackend nobody({dir_ + "/missing", std::chrono::seconds{5}}, clock_);
  Result<> out;
  loop_.spawn(ask(nobody, out));
  loop_.run();
  EXPECT_EQ(out.error().code, Errc::Unavailable);
}

}  // namespace
}  // namespace postern::accounts
