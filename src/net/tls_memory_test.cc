#include "net/tls_memory.h"

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace postern::net {
namespace {

TEST(TlsMemory, KeepsWhatIsWrittenWhileBuffersGrowAndShrink) {
  void* memory = nullptr;
  for (const std::size_t size : {std::size_t{10}, std::size_t{4096}, std::size_t{17'000}, std::size_t{24'576},
                                 std::size_t{60'000}, std::size_t{16'500}, std::size_t{20}}) {
    memory = OPENSSL_realloc(memory, size);
    ASSERT_NE(memory, nullptr);
    if (size == 10) std::memcpy(memory, "123456789", 10);
    EXPECT_STREQ(static_cast<const char*>(memory), "123456789") << size;
  }
  OPENSSL_free(memory);
}

TEST(TlsMemory, NoTwoBuffersOverlapOnAnyThread) {
  const auto churn = [](std::uint8_t mark, int& damaged) {
    std::vector<std::uint8_t*> held;
    for (int i = 0; i < 300; ++i) {
      auto* const buffer = static_cast<std::uint8_t*>(OPENSSL_malloc(16'600));
      std::memset(buffer, mark, 16'600);
      held.push_back(buffer);
      if (i % 3 == 0) {
        OPENSSL_free(held.front());
        held.erase(held.begin());
      }
    }
    for (std::uint8_t* const buffer : held) {
      for (int i = 0; i < 16'600; ++i) damaged += buffer[i] != mark;
      OPENSSL_free(buffer);
    }
  };
  int damaged_by_one = 0;
  int damaged_by_two = 0;
  std::thread one([&] { churn(1, damaged_by_one); });
  std::thread two([&] { churn(2, damaged_by_two); });
  one.join();
  two.join();
  EXPECT_EQ(damaged_by_one + damaged_by_two, 0);
}

}  // namespace
}  // namespace postern::net
