#include "probe/names.h"

#include "probe/certificate.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace postern::probe {
namespace {

std::string wire_name(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) out += static_cast<char>(label.size()) + label;
  return out + '\0';
}

TEST(Srv, SortedByPriorityThenWeight) {
  const std::string fixed_a{"\x00\x0a\x00\x01\x02\x4b", 6};
  const std::string fixed_b{"\x00\x00\x00\x01\x01\xd1", 6};
  const auto targets =
      srv_from_rdata({fixed_a + wire_name({"a", "example"}), fixed_b + wire_name({"b", "example"}), "bad"});
  ASSERT_EQ(targets.size(), 2U);
  EXPECT_EQ(targets[0].host, "b.example");
  EXPECT_EQ(targets[0].port, 465);
  EXPECT_EQ(targets[1].port, 587);
}

TEST(Srv, RootMeansNotOffered) {
  const auto targets = srv_from_rdata({std::string(6, '\0') + '\0'});
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets[0].host, "");
}

TEST(Tlsa, MatchesLeafOrAnchorByDigest) {
  CertificateSeen leaf;
  leaf.der = "leaf";
  leaf.spki = "leaf key";
  CertificateSeen root;
  root.der = "root";
  root.spki = "root key";
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>("root key"), 8,
         reinterpret_cast<unsigned char*>(digest.data()));
  EXPECT_TRUE(tlsa_matches({2, 1, 1, digest}, {leaf, root}));
  EXPECT_FALSE(tlsa_matches({3, 1, 1, digest}, {leaf, root}));  // usage 3 is about the leaf only
  EXPECT_TRUE(tlsa_matches({3, 0, 0, "leaf"}, {leaf, root}));
  EXPECT_FALSE(tlsa_matches({1, 0, 0, "leaf"}, {leaf, root}));  // RFC 7672 §3.1.3
  EXPECT_FALSE(tlsa_matches({3, 0, 9, "leaf"}, {leaf, root}));
}

TEST(Resolve, AnAddressNeedsNoDns) {
  const DnsSeen seen = resolve("::1", {}, std::chrono::steady_clock::now());
  EXPECT_EQ(seen.outcome, DnsOutcome::NotNeeded);
  ASSERT_EQ(seen.ips.size(), 1U);
}

}  // namespace
}  // namespace postern::probe
