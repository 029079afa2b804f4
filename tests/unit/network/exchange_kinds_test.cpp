// What a scenario may say of its exchanges.
#include "network/exchanges/exchange_kinds.h"

#include <gtest/gtest.h>

#include "support/refusal.h"

namespace moesim::network {
namespace {
ExchangeChoice choice(const std::string& section) {
  return read_exchange(Config::from_text(section, "s.yaml"), "exchange_sms", 132);
}
std::string refusal(const std::string& section) {
  return test::refusal_of([&] { choice(section); });
}

TEST(ExchangeKinds, EveryKernelIsNamedAndTheRestIsOpen) {
  for (const auto& [name, kernel] : enum_names(ExchangeKernel{}))
    EXPECT_EQ(choice("exchange: " + std::string(name)).kernel, kernel) << name;
  EXPECT_EQ(exchange_kinds().table().size(), enum_names(ExchangeKernel{}).size() + 1) << "auto besides";
  EXPECT_EQ(choice("exchange: auto").kernel, std::nullopt);
  EXPECT_EQ(choice("exchange_sms: 12").kernel, std::nullopt);
  EXPECT_EQ(choice("exchange_sms: 12").sms, std::nullopt) << "the section's own number stands";
}

TEST(ExchangeKinds, OlderNamesAreReadAndTheNewOnesTold) {
  for (const auto& [older, name] : {std::pair("normal", "deepep_normal"),
                                    std::pair("low_latency", "deepep_low_latency"), std::pair("none", "auto")}) {
    const Config section = Config::from_text("exchange: " + std::string(older), "s.yaml");
    const ExchangeChoice read = read_exchange(section, "exchange_sms", 132);
    EXPECT_EQ(read.kernel ? name_of(*read.kernel) : "auto", name);
    EXPECT_NE(section.resolved().find("exchange: " + std::string(name)), std::string::npos) << section.resolved();
  }
}

TEST(ExchangeKinds, KindsHaveTheirParameters) {
  EXPECT_EQ(choice("exchange: {kind: deepep_normal, sms: 12}").sms, 12);
  EXPECT_EQ(choice("{exchange: deepep_normal, exchange_sms: 12}").sms, 12);
  EXPECT_EQ(choice("{exchange: hybrid, exchange_sms: 12}").sms, 12);
  EXPECT_FALSE(choice("exchange: {kind: deepep_low_latency, nvlink: false}").nvlink);
  EXPECT_TRUE(choice("exchange: deepep_low_latency").nvlink);
}

TEST(ExchangeKinds, WhatAKindDoesNotHaveIsRefused) {
  EXPECT_EQ(refusal("exchange: deepp_normal"),
            "s.yaml:1:11: exchange: no exchange is called \"deepp_normal\"; did you mean \"deepep_normal\"?");
  EXPECT_EQ(refusal("exchange: {kind: all_to_all, sms: 12}"),
            "s.yaml:1:30: exchange: unknown key \"sms\"; known keys: kind");
  EXPECT_EQ(refusal("exchange: {kind: hybrid, nvlink: false}"),
            "s.yaml:1:26: exchange: unknown key \"nvlink\"; known keys: sms");
  EXPECT_EQ(refusal("{exchange: all_gather, exchange_sms: 12}"),
            "s.yaml:1:38: exchange_sms: all_gather exchanges have no number of SMs to choose: leave it out");
  EXPECT_EQ(refusal("{exchange: low_latency, exchange_sms: 12}"),
            "s.yaml:1:39: exchange_sms: deepep_low_latency exchanges have no number of SMs to choose: leave it out");
  EXPECT_EQ(refusal("{exchange: {kind: hybrid, sms: 8}, exchange_sms: 12}"),
            "s.yaml:1:50: exchange_sms: exchange.sms says so already: give one of the two");
  EXPECT_EQ(refusal("{exchange: normal, exchange_sms: 0}"),
            "s.yaml:1:34: exchange_sms: a deepep_normal exchange takes at least 1 SM, got 0");
  EXPECT_EQ(refusal("exchange: {kind: deepep_normal, sms: 0}"), "s.yaml:1:38: exchange.sms: must be at least 1, got 0");
  EXPECT_EQ(refusal("exchange: {kind: deepep_normal, sms: 132}"),
            "s.yaml:1:38: exchange.sms: expected 1 to 131, got 132");
}

TEST(ExchangeKinds, TheLibrarysChannelsAreSmsThatNobodyChooses) {
  EXPECT_EQ(sms_of(ExchangeKernel::deepep_low_latency, {}, 20), 0);
  EXPECT_EQ(sms_of(ExchangeKernel::deepep_normal, {}, 20), 20);
  EXPECT_EQ(sms_of(ExchangeKernel::deepep_normal, 12, 20), 12);
  EXPECT_EQ(sms_of(ExchangeKernel::hybrid, {}, 20), 16);
  EXPECT_EQ(sms_of(ExchangeKernel::all_to_all, {}, 20), sms_of(ExchangeKernel::all_gather, {}, 4));
  EXPECT_GT(sms_of(ExchangeKernel::all_to_all, {}, 20), 0);
}
}  // namespace
}  // namespace moesim::network
