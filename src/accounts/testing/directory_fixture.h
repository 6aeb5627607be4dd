#pragma once

#include "accounts/directory.h"
#include "dkim/key.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

namespace postern::accounts::testing {

/// A directory of its own with one account, alice@example.org, whose password is "right".
class DirectoryFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-directory-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    directory_ = open();
    ASSERT_TRUE(directory_->add_account_with_password("Alice@Example.org", "right", AccountClass::Person));
  }
  void TearDown() override {
    directory_.reset();
    std::filesystem::remove_all(dir_);
  }
  /// Another process on the same file.
  std::unique_ptr<Directory> open() {
    Result<std::unique_ptr<Directory>> opened = Directory::open(dir_ + "/directory.db", options_, clock_);
    EXPECT_TRUE(opened);
    return *std::move(opened);
  }
  net::Task<> do_login(std::string name, std::string password, net::IpAddress client, Result<Account>& out) {
    out = co_await directory_->authenticate(loop_, name, password, client);
    loop_.stop();
  }
  Result<Account> login(const std::string& name, const std::string& password) {
    return login_from("192.0.2.1", name, password);
  }
  Result<Account> login_from(const char* client, const std::string& name, const std::string& password) {
    Result<Account> out = fail(Errc::Internal, "did not run");
    loop_.spawn(do_login(name, password, *net::IpAddress::parse(client), out));
    loop_.run();
    return out;
  }
  static const std::string& test_key() {
    static const std::string pem = dkim::SigningKey::generate(2048)->pem();
    return pem;
  }

  const net::IpAddress here_ = *net::IpAddress::parse("192.0.2.1");
  std::string dir_;
  Options options_;
  FakeClock clock_;
  net::Loop loop_;
  std::unique_ptr<Directory> directory_;
};

}  // namespace postern::accounts::testing
