#include "recording/record.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "numeric/numerics/test_models.h"
#include "routing/trace.h"
#include "support/temporary_folder.h"

namespace moesim::recording {
namespace {
namespace fs = std::filesystem;

class Record : public testing::Test {
 protected:
  Record() {
    fs::create_directory(folder_.path() / "prose");
    write("prose/a.txt", "The quick brown fox jumps over the lazy dog.");
    write("prose/b.txt", "Pack my box with five dozen jugs.");
    write("code.cpp", "int main() { return 0; }");
    model_ = numerics::v3_micro();
    model_.vocabulary = 256;
    model_.max_positions = 64;
  }
  void write(const std::string& name, const std::string& bytes) { folder_.write(name, bytes); }
  std::string path(const std::string& name) const { return folder_.file(name); }
  numerics::SyntheticOptions small() const {
    numerics::SyntheticOptions o;
    o.warm_up_tokens = 128;
    return o;
  }
  std::string error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "no error";
  }
  TemporaryFolder folder_;
  spec::Model model_;
};

TEST_F(Record, EveryFileIsARequestAndEveryFolderADomain) {
  const auto requests = read_texts({path("prose"), path("code.cpp")}, 10);
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].domain, "prose");
  EXPECT_EQ(requests[1].domain, "prose");
  EXPECT_EQ(requests[2].domain, "code");
  EXPECT_EQ(requests[2].tokens, (std::vector<int>{'i', 'n', 't', ' ', 'm', 'a', 'i', 'n', '(', ')'}));
}

TEST_F(Record, TheTraceHoldsWhatTheGateChose) {
  numerics::SyntheticWeights weights(model_, small());
  numerics::Forward forward(model_, weights, {.threads = 2});
  const auto requests = read_texts({path("prose"), path("code.cpp")}, 0);
  RecordOptions options;
  options.output = path("t.db");
  options.decode = 3;
  options.batch_tokens = 50;  // the second prompt is cut in two
  const RecordResult result = record_routing(forward, requests, options);
  EXPECT_EQ(result.prefill_tokens, 44 + 33 + 24);
  EXPECT_EQ(result.decode_tokens, 9);

  const routing::Trace trace(path("t.db"));
  EXPECT_EQ(trace.tokens(), 110);
  EXPECT_EQ(trace.header().domains, (std::vector<std::string>{"prose", "code"}));
  EXPECT_EQ(trace.header().layers, (std::vector{1, 2}));
  // The third request alone, prefill then one step at a time, chooses the same.
  std::vector<routing::TraceToken> tokens;
  trace.read_tokens(0, trace.tokens(), tokens);
  std::vector<std::int16_t> all;
  trace.read_experts(1, 0, trace.tokens(), all);
  std::vector<int> got, ids;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].request != 2) continue;
    EXPECT_EQ(tokens[i].position, int(ids.size()));
    EXPECT_EQ(tokens[i].phase, ids.size() < 24 ? routing::TracePhase::prefill : routing::TracePhase::decode);
    ids.push_back(tokens[i].token);
    got.insert(got.end(), all.begin() + std::int64_t(2 * i), all.begin() + std::int64_t(2 * i + 2));
  }
  ASSERT_EQ(ids.size(), 27U);
  numerics::KvCache cache = forward.new_cache();
  std::vector<int> expected;
  for (int first = 0; first < 27; first = first == 0 ? 24 : first + 1) {
    const int count = first == 0 ? 24 : 1;
    const numerics::Segment segment{&cache, 0, count};
    forward.run(std::span(ids).subspan(std::size_t(first), std::size_t(count)), {&segment, 1},
                [&](int layer, const numerics::Routing& r) {
                  if (layer == 2) expected.insert(expected.end(), r.experts.begin(), r.experts.end());
                });
  }
  EXPECT_EQ(got, expected);
}

TEST_F(Record, TheSameCommandGivesTheSameTraceWhateverTheThreads) {
  std::vector<std::vector<std::int16_t>> experts;
  for (const int threads : {1, 3}) {
    numerics::SyntheticWeights weights(model_, small(), threads);
    numerics::Forward forward(model_, weights, {.threads = threads});
    RecordOptions options;
    options.output = path(std::to_string(threads) + ".db");
    options.decode = 2;
    record_routing(forward, read_texts({path("prose")}, 0), options);
    const routing::Trace trace(options.output);
    trace.read_experts(0, 0, trace.tokens(), experts.emplace_back());
  }
  EXPECT_EQ(experts[0], experts[1]);
}

TEST_F(Record, TheMtpModuleIsALayerAfterTheModels) {
  model_.mtp_layers = 1;
  numerics::SyntheticWeights weights(model_, small());
  numerics::Forward forward(model_, weights, {.threads = 2});
  RecordOptions options;
  options.output = path("mtp.db");
  options.mtp = true;
  options.decode = 2;
  record_routing(forward, read_texts({path("code.cpp")}, 0), options);
  EXPECT_EQ(routing::Trace(options.output).header().layers, (std::vector{1, 2, 3}));
}

TEST_F(Record, RefusesWhatItCannotRecord) {
  write("empty.txt", "");
  write("compressed.bin", "\x1f\x8b\x08\x01\x02\x03\x04\x05 text");
  EXPECT_EQ(error_of([&] { read_texts({path("compressed.bin")}, 0); }),
            path("compressed.bin") +
                ": expected text, but 7 of its 13 bytes are control characters; token ids go in with --tokens");
  // One control byte in fifty is text still.
  write("escapes.txt", std::string(98, 'a') + "\x01\x02");
  EXPECT_EQ(error_of([&] { read_texts({path("escapes.txt")}, 0); }), "no error");
  write("escapes.bin", std::string(97, 'a') + "\x01\x02");
  EXPECT_EQ(error_of([&] { read_texts({path("escapes.bin")}, 0); }),
            path("escapes.bin") +
                ": expected text, but 2 of its 99 bytes are control characters; token ids go in with --tokens");
  write("binary.bin", std::string("ab\0c", 4));
  EXPECT_EQ(error_of([&] { read_texts({path("empty.txt")}, 0); }), path("empty.txt") + ": is empty, expected text");
  EXPECT_EQ(error_of([&] { read_texts({path("binary.bin")}, 0); }),
            path("binary.bin") + ": expected text, but byte 2 is zero; token ids go in with --tokens");
  EXPECT_EQ(error_of([&] { read_texts({path("nowhere.txt")}, 0); }), path("nowhere.txt") + ": no such file");

  numerics::SyntheticWeights weights(model_, small());
  numerics::Forward forward(model_, weights, {.threads = 1});
  RecordOptions options;
  options.output = path("t.db");
  const auto record = [&](std::vector<int> tokens) {
    return error_of([&] { record_routing(forward, {{"tokens.npy", "d", std::move(tokens)}}, options); });
  };
  EXPECT_EQ(record({1, 256}), "tokens.npy: token 1 has id 256, but v3_micro has ids 0 to 255");
  EXPECT_EQ(record({-1}), "tokens.npy: token 0 has id -1, but v3_micro has ids 0 to 255");
  EXPECT_EQ(record(std::vector<int>(65, 7)),
            "tokens.npy: 65 tokens, but v3_micro has 64 positions; shorten it with --limit");
  EXPECT_FALSE(fs::exists(options.output));
  write("t.db", "");
  EXPECT_NE(record({1}).find("already exists"), std::string::npos);
}

TEST_F(Record, AModelForALaptopKeepsWhatRoutes) {
  spec::Model big = model_;
  big.hidden = 7168, big.moe->expert_width = 2048, big.dense_width = 18432, big.vocabulary = 129280;
  const spec::Model small = spec::scaled(big, spec::laptop_scale(big));
  EXPECT_EQ(small.hidden, 128);
  EXPECT_EQ(small.moe->experts, big.moe->experts);
  EXPECT_EQ(small.layers, big.layers);
}
}  // namespace
}  // namespace moesim::recording
