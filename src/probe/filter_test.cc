#include "probe/filter_iptables.h"
#include "probe/filter_nft.h"
#include "probe/firewall.h"
#include "probe/firewall_state.h"
#include "probe/listening.h"

#include <gtest/gtest.h>

namespace postern::probe {
namespace {

using Kind = ChainDecision::Kind;

std::string nft(const std::string& entries) { return R"({"nftables":[)" + entries + "]}"; }

std::string nft_chain(const std::string& policy) {
  return R"({"chain":{"family":"inet","table":"filter","name":"input","handle":1,"type":"filter","hook":"input","prio":0,"policy":")" +
         policy + "\"}}";
}

std::string nft_rule(int handle, const std::string& expressions, const std::string& chain = "input") {
  return R"(,{"rule":{"family":"inet","table":"filter","chain":")" + chain + R"(","handle":)" +
         std::to_string(handle) + R"(,"expr":[)" + expressions + "]}}";
}

const std::string kStates =
    R"({"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["established",{"accept":null}],["related",{"accept":null}],["invalid",{"drop":null}]]}}})";
const std::string kSsh =
    R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"accept":null})";
const std::string kBoth =
    R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[465,{"range":[580,590]}]}}},{"accept":null})";
const std::string kLoopback =
    R"({"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null})";
const std::string kBadGuys =
    R"({"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@bad"}},{"drop":null})";
const std::string kBadSet =
    R"(,{"set":{"family":"inet","name":"bad","table":"filter","elem":["192.0.2.1"]}})";
const std::string kReject = R"({"reject":{"type":"icmpx","expr":"admin-prohibited"}})";

struct NftCase {
  const char* name;
  std::string json;
  Kind kind;
  std::string handle;  ///< of the top rule that decides
};

class NftRules : public testing::TestWithParam<NftCase> {};

TEST_P(NftRules, DecideAboutANewConnectionTo587) {
  const auto rules = read_nft(GetParam().json, {.port = 587});
  ASSERT_TRUE(rules) << rules.error().detail;
  const auto decisions = decide(*rules, false);
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].kind, GetParam().kind);
  EXPECT_EQ(decisions[0].top_rule == nullptr ? "" : decisions[0].top_rule->handle, GetParam().handle);
}

INSTANTIATE_TEST_SUITE_P(
    Sets, NftRules,
    testing::Values(
        NftCase{"policy_accept", nft(nft_chain("accept")), Kind::Allowed, ""},
        NftCase{"policy_drop",
                nft(nft_chain("drop") + nft_rule(2, kStates) + nft_rule(3, kLoopback) + nft_rule(4, kSsh)),
                Kind::Denied, ""},
        NftCase{"allowed_in_set", nft(nft_chain("drop") + nft_rule(2, kBoth)), Kind::Allowed, "2"},
        NftCase{"last_rule_rejects", nft(nft_chain("accept") + nft_rule(2, kSsh) + nft_rule(3, kReject)),
                Kind::Denied, "3"},
        NftCase{"jump",
                nft(nft_chain("accept") +
                    R"(,{"chain":{"family":"inet","table":"filter","name":"more","handle":9}})" +
                    nft_rule(2, R"({"jump":{"target":"more"}})") + nft_rule(5, kReject, "more")),
                Kind::Denied, "2"},
        NftCase{"bad_guys_only", nft(nft_chain("accept") + kBadSet + nft_rule(2, kBadGuys)), Kind::Allowed,
                ""},
        NftCase{
            "unknown_before_drop",
            nft(nft_chain("drop") +
                nft_rule(
                    2, R"({"match":{"op":"==","left":{"socket":{"key":"mark"}},"right":1}},{"drop":null})")),
            Kind::NotUnderstood, ""},
        NftCase{
            "unknown_accept_is_harmless",
            nft(nft_chain("drop") +
                nft_rule(
                    2,
                    R"({"match":{"op":"==","left":{"socket":{"key":"mark"}},"right":1}},{"accept":null})")),
            Kind::Denied, ""},
        NftCase{
            "udp_is_not_us",
            nft(nft_chain("accept") +
                nft_rule(
                    2,
                    R"({"match":{"op":"==","left":{"payload":{"protocol":"udp","field":"dport"}},"right":587}},{"drop":null})")),
            Kind::Allowed, ""},
        NftCase{
            "not_equal",
            nft(nft_chain("accept") +
                nft_rule(
                    2,
                    R"({"match":{"op":"!=","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"drop":null})")),
            Kind::Denied, "2"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(NftRules, TablesOfIptablesAreLeftToIptables) {
  const auto rules = read_nft(
      nft(R"({"chain":{"family":"ip","table":"filter","name":"INPUT","handle":1,"type":"filter","hook":"input","prio":0,"policy":"drop"}})"),
      {.port = 587});
  ASSERT_TRUE(rules);
  EXPECT_TRUE(rules->empty());
}

TEST(NftRules, GarbageIsAnError) { EXPECT_FALSE(read_nft("Error: no", {.port = 587})); }

struct IptablesCase {
  const char* name;
  const char* listing;
  Kind kind;
  const char* handle;
};

class IptablesRules : public testing::TestWithParam<IptablesCase> {};

TEST_P(IptablesRules, DecideAboutANewConnectionTo587) {
  const RuleSet rules = read_iptables(GetParam().listing, {.port = 587}, FilterTool::Iptables);
  const auto decisions = decide(rules, false);
  ASSERT_EQ(decisions.size(), 1U);
  EXPECT_EQ(decisions[0].kind, GetParam().kind);
  EXPECT_EQ(decisions[0].top_rule == nullptr ? "" : decisions[0].top_rule->handle, GetParam().handle);
}

INSTANTIATE_TEST_SUITE_P(
    Listings, IptablesRules,
    testing::Values(
        IptablesCase{"accept", "-P INPUT ACCEPT\n", Kind::Allowed, ""},
        IptablesCase{"policy",
                     "-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n",
                     Kind::Denied, ""},
        IptablesCase{"multiport",
                     "-P INPUT DROP\n-A INPUT -p tcp -m multiport --dports 25,465,580:590 -m conntrack "
                     "--ctstate NEW -j ACCEPT\n",
                     Kind::Allowed, "1"},
        IptablesCase{"established_only",
                     "-P INPUT DROP\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n",
                     Kind::Denied, ""},
        IptablesCase{"reject_last",
                     "-P INPUT ACCEPT\n-A INPUT -p icmp -j ACCEPT\n-A INPUT -j REJECT --reject-with "
                     "icmp-host-prohibited\n",
                     Kind::Denied, "2"},
        IptablesCase{"user_chain",
                     "-P INPUT ACCEPT\n-N mine\n-A INPUT -j mine\n-A mine -p tcp -m tcp --dport 587 -m "
                     "comment --comment \"no -j ACCEPT\" -j DROP\n",
                     Kind::Denied, "1"},
        IptablesCase{"return_comes_back",
                     "-P INPUT ACCEPT\n-N mine\n-A INPUT -j mine\n-A mine -j RETURN\n-A mine -j DROP\n",
                     Kind::Allowed, ""},
        IptablesCase{"negated", "-P INPUT ACCEPT\n-A INPUT ! -i lo -p tcp -m tcp ! --dport 22 -j DROP\n",
                     Kind::Denied, "1"},
        IptablesCase{"not_tcp", "-P INPUT ACCEPT\n-A INPUT ! -p udp -j DROP\n", Kind::Denied, "1"},
        IptablesCase{"unknown_module", "-P INPUT DROP\n-A INPUT -m bpf --bytecode \"1,6 0 0 0\" -j DROP\n",
                     Kind::NotUnderstood, ""}),
    [](const auto& tested) { return std::string(tested.param.name); });

FirewallFacts with_iptables(const std::string& listing) {
  FirewallFacts facts;
  facts.root = true;
  for (const std::size_t family : {0U, 1U}) {
    facts.iptables[family] = listing;
    facts.iptables_program[family] = family == 1 ? "ip6tables" : "iptables";
  }
  return facts;
}

std::vector<std::string> texts(const std::vector<Command>& commands) {
  std::vector<std::string> out;
  for (const Command& command : commands) out.push_back(shell_text(command));
  return out;
}

TEST(PlanOpen, IptablesBeforeTheRuleThatRejects) {
  FirewallFacts facts = with_iptables("-P INPUT ACCEPT\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\n");
  facts.iptables_saved_path[0] = "/etc/iptables/rules.v4";
  facts.iptables_saved[0] =
      "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n";
  const auto plan = plan_open(facts, {.port = 587});
  ASSERT_TRUE(plan) << plan.error().detail;
  EXPECT_EQ(texts(plan->commands),
            (std::vector<std::string>{"iptables -I INPUT 2 -p tcp -m tcp --dport 587 -m comment --comment "
                                      "'postern firewall 587' -j ACCEPT",
                                      "ip6tables -I INPUT 2 -p tcp -m tcp --dport 587 -m comment --comment "
                                      "'postern firewall 587' -j ACCEPT"}));
  ASSERT_EQ(plan->edits.size(), 1U);
  EXPECT_EQ(plan->edits[0].after,
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 587 -m "
            "comment --comment "
            "\"postern firewall 587\" -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n");
  EXPECT_EQ(without_lines(plan->edits[0].after, "postern firewall 587"), facts.iptables_saved[0]);
}

TEST(PlanOpen, NftablesAddsWhereThePolicyDropsAndKeepsItInAFileOfItsOwn) {
  FirewallFacts facts;
  facts.nft_json = nft(nft_chain("drop") + nft_rule(4, kSsh));
  facts.nft_config_path = "/etc/nftables.conf";
  facts.nft_config = "flush ruleset\ntable inet filter {\n}\n";
  const auto plan = plan_open(facts, {.port = 587, .from = Network::parse("192.0.2.0/24").value()});
  ASSERT_TRUE(plan) << plan.error().detail;
  EXPECT_EQ(texts(plan->commands),
            (std::vector<std::string>{
                "nft add rule inet filter input ip saddr 192.0.2.0/24 tcp dport 587 accept comment "
                "'\"postern firewall 587 from 192.0.2.0/24\"'"}));
  ASSERT_EQ(plan->edits.size(), 2U);
  EXPECT_NE(
      plan->edits[0].after.find("add rule inet filter input ip saddr 192.0.2.0/24 tcp dport 587 accept"),
      std::string::npos);
  EXPECT_TRUE(plan->edits[1].after.ends_with("include \"/etc/nftables.d/postern.nft\"\n"));
  EXPECT_EQ(without_lines(plan->edits[0].after, "postern firewall 587 from 192.0.2.0/24"), "");
}

// The rule that rejects is in nftables.conf: ours stands before it there too, behind the block list.
TEST(PlanOpen, NftablesKeepsTheOrderOfTheSavedRules) {
  const std::string list =
      R"({"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"198.51.100.7"}},{"drop":null})";
  FirewallFacts facts;
  facts.nft_json =
      nft(nft_chain("accept") + nft_rule(4, list) + nft_rule(5, kSsh) + nft_rule(6, R"({"drop":null})"));
  facts.nft_listing =
      "table inet filter { # handle 1\n\tchain input { # handle 1\n\t\tdrop # handle 6\n\t}\n}\n";
  facts.nft_config_path = "/etc/nftables.conf";
  facts.nft_config = "table inet filter {\n chain input {\n  ip saddr 198.51.100.7 drop\n  drop\n }\n}\n";
  facts.not_enabled = {"nftables.service"};
  const auto plan = plan_open(facts, {.port = 587});
  ASSERT_TRUE(plan) << plan.error().detail;
  ASSERT_EQ(plan->edits.size(), 1U);
  EXPECT_EQ(plan->edits[0].after,
            "table inet filter {\n chain input {\n  ip saddr 198.51.100.7 drop\n"
            "  tcp dport 587 accept comment \"postern firewall 587\"\n  drop\n }\n}\n");
  EXPECT_EQ(without_lines(plan->edits[0].after, "postern firewall 587"), facts.nft_config);
  EXPECT_NE(plan->notes.back().find("systemctl enable nftables.service"), std::string::npos);
  // Where it is not found, nothing is put before the block list.
  facts.nft_config = "table inet filter {\n include \"rules\"\n}\n";
  const auto unsure = plan_open(facts, {.port = 587});
  ASSERT_TRUE(unsure) << unsure.error().detail;
  EXPECT_TRUE(unsure->edits.empty());
  EXPECT_TRUE(unsure->notes.back().starts_with("NOT permanent")) << unsure->notes.back();
}

TEST(PlanOpen, IptablesIsNotKeptBeforeABlockListThatItCannotPlace) {
  FirewallFacts facts =
      with_iptables("-P INPUT ACCEPT\n-A INPUT -s 198.51.100.7/32 -j DROP\n-A INPUT -j DROP\n");
  facts.iptables_saved_path[0] = "/etc/iptables/rules.v4";
  facts.iptables_saved[0] =
      "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 198.51.100.7/32 -j DROP\n-A INPUT -j REJECT\nCOMMIT\n";
  const auto plan = plan_open(facts, {.port = 587});
  ASSERT_TRUE(plan) << plan.error().detail;
  EXPECT_TRUE(plan->edits.empty() || plan->edits[0].after == plan->edits[0].before);
}

// firewalld sends each interface to the chains of its zone.
TEST(Decide, OnlyTheZoneOfTheInterfaceCounts) {
  const std::string listing =
      "-P INPUT ACCEPT\n-A INPUT -i eth1 -g dmz\n-A INPUT -i eth+ -g public\n-A INPUT -g public\n-A dmz -p "
      "tcp --dport 587 -j ACCEPT\n"
      "-A dmz -j REJECT\n-A public -j REJECT\n";
  const auto kind_at = [&](const std::string& interface) {
    const Packet packet{.port = 587, .interface = interface};
    const RuleSet rules = read_iptables(listing, packet, FilterTool::Iptables);
    return decide(rules, false).at(0).kind;
  };
  EXPECT_EQ(kind_at("eth1"), Kind::Allowed);
  EXPECT_EQ(kind_at("eth0"), Kind::Denied);
  EXPECT_EQ(kind_at("ens3"), Kind::Denied);
}

// A detour for some senders that ends well for them takes nothing away.
TEST(Decide, ABranchForSomeIsNamedOnlyWhenItDrops) {
  for (const auto& [end, parts] : {std::pair{"ACCEPT", 0U}, {"RETURN", 0U}, {"DROP", 1U}}) {
    const std::string listing =
        "-P INPUT ACCEPT\n-A INPUT -s 10.0.0.0/8 -j branch\n-A branch -j " + std::string(end) + '\n';
    const RuleSet rules = read_iptables(listing, {.port = 587}, FilterTool::Iptables);
    EXPECT_EQ(decide(rules, false).at(0).in_part.size(), parts) << end;
  }
}

TEST(PlanOpen, FirewalldLeavesWhatWasPermanentBefore) {
  FirewallFacts facts = with_iptables("-P INPUT DROP\n");
  facts.firewalld_running = true;
  facts.firewalld_zones = "block\npublic\n";
  facts.firewalld_zone = "public";
  facts.firewalld_zones = "dmz\npublic\n";
  facts.firewalld_active = "dmz\n  interfaces: eth1\npublic (default)\n  interfaces: eth0\n";
  facts.firewalld_permanent = "ssh\nsmtps\n";
  const auto plan = plan_open(facts, {.port = 465});
  ASSERT_TRUE(plan) << plan.error().detail;
  EXPECT_EQ(texts(plan->commands),
            (std::vector<std::string>{"firewall-cmd --zone=public --add-service=smtps"}));
  EXPECT_EQ(texts(plan->undo),
            (std::vector<std::string>{"firewall-cmd --zone=public --remove-service=smtps"}));
  EXPECT_NE(plan->notes.back().find("zone dmz is left as it is (interfaces: eth1)"), std::string::npos);
  EXPECT_EQ(plan_open(facts, {.port = 587})->commands.size(), 2U);
  facts.firewalld_zone = "pubic";
  EXPECT_FALSE(plan_open(facts, {.port = 465}));
}

TEST(PlanOpen, WhatIsOpenStaysAsItIs) {
  const auto plan = plan_open(with_iptables("-P INPUT DROP\n-A INPUT -p tcp -m tcp --dport 587 -j ACCEPT\n"),
                              {.port = 587});
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->nothing_to_do);
  EXPECT_TRUE(plan->commands.empty());
  const auto none = plan_open({}, {.port = 587});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->nothing_to_do);
}

TEST(PlanOpen, RefusesWhatItDoesNotUnderstand) {
  const auto plan = plan_open(
      with_iptables("-P INPUT DROP\n-A INPUT -m bpf --bytecode \"1,6 0 0 0\" -j DROP\n"), {.port = 587});
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().detail.find("bpf"), std::string::npos);
  FirewallFacts two;
  two.ufw_active = two.firewalld_running = true;
  EXPECT_FALSE(plan_open(two, {.port = 587}));
}

TEST(PlanOpen, UfwAndFirewalldInTheirOwnWords) {
  FirewallFacts facts = with_iptables("-P INPUT DROP\n");
  facts.ufw_active = true;
  EXPECT_EQ(texts(plan_open(facts, {.port = 465})->commands),
            (std::vector<std::string>{"ufw allow 465/tcp comment 'postern firewall 465'"}));
  EXPECT_FALSE(plan_open(facts, {.port = 465, .backend = Backend::Iptables}));
  facts = with_iptables(
      "-P INPUT DROP\n-N ufw-user-input\n-A INPUT -j ufw-user-input\n-A ufw-user-input -p tcp -m tcp --dport "
      "587 -j DROP\n");
  facts.ufw_active = true;
  EXPECT_FALSE(plan_open(facts, {.port = 587}));  // somebody denied it on purpose
  facts = {};
  facts.firewalld_running = true;
  facts.firewalld_zones = "block\npublic\n";
  facts.firewalld_zone = "public";
  facts.nft_json = nft(
      R"({"chain":{"family":"inet","table":"firewalld","name":"filter_INPUT","handle":1,"type":"filter","hook":"input","prio":10,"policy":"drop"}})");
  EXPECT_EQ(
      texts(plan_open(facts, {.port = 587})->commands),
      (std::vector<std::string>{"firewall-cmd --zone=public --add-service=smtp-submission",
                                "firewall-cmd --permanent --zone=public --add-service=smtp-submission"}));
  EXPECT_EQ(texts(plan_open(facts, {.port = 2525})->commands)[0],
            "firewall-cmd --zone=public --add-port=2525/tcp");
}

TEST(Networks, PrefixesAreStrict) {
  EXPECT_TRUE(Network::parse("192.0.2.0/24"));
  EXPECT_TRUE(Network::parse("2001:db8::/32"));
  EXPECT_EQ(Network::parse("192.0.2.7")->bits, 32U);
  for (const char* bad : {"192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/", "x/24", "192.0.2.0/-1"})
    EXPECT_FALSE(Network::parse(bad)) << bad;
  EXPECT_TRUE(Network::parse("10.0.0.0/8")->contains(*Network::parse("10.1.0.0/16")));
  EXPECT_FALSE(Network::parse("10.1.0.0/16")->contains(*Network::parse("10.0.0.0/8")));
}

TEST(State, ComesBackAsWritten) {
  const std::vector<OpenedPort> list{{587,
                                      "192.0.2.0/24",
                                      "iptables",
                                      "2026-11-25T00:00:00Z",
                                      "postern firewall 587",
                                      {{"iptables", "-D"}},
                                      {"/f"}}};
  const auto back = read_state(write_state(list));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 1U);
  EXPECT_EQ((*back)[0].undo, list[0].undo);
  EXPECT_EQ((*back)[0].files, list[0].files);
  EXPECT_TRUE(read_state("")->empty());
  EXPECT_FALSE(read_state("{"));
}

TEST(Listening, OnlySocketsThatListen) {
  const auto found = read_proc_net_tcp(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:024B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n"
      "   1: 0100007F:024B 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n",
      false);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].ip.text(), "127.0.0.1");
  EXPECT_EQ(found[0].port, 587);
  EXPECT_EQ(found[0].inode, 4711U);
  EXPECT_FALSE(found[0].everywhere());
}

TEST(ShellText, QuotesWhatAShellWouldChange) {
  EXPECT_EQ(shell_text({"nft", "add", "a b", "it's", ""}), "nft add 'a b' 'it'\\''s' ''");
}

}  // namespace
}  // namespace postern::probe
