#include "routing/trace.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/random.h"
#include "results/store.h"
#include "support/sql.h"

namespace moesim::routing {
namespace {
namespace fs = std::filesystem;

std::string temporary(const std::string& name) {
  const std::string file = ::testing::TempDir() + name + ".db";
  fs::remove(file);
  return file;
}

/// Tokens per expert, (layers, experts), of some ranges of a trace.
std::vector<std::int64_t> load_of(const Trace& trace, const std::vector<TokenRange>& ranges) {
  const std::size_t experts = std::size_t(trace.header().experts);
  std::vector<std::int64_t> out(std::size_t(trace.layers()) * experts), one(experts);
  for (int m = 0; m < trace.layers(); ++m)
    for (const TokenRange& r : ranges) {
      trace.load(m, r.first, r.end - r.first, one);
      for (std::size_t e = 0; e < experts; ++e) out[std::size_t(m) * experts + e] += one[e];
    }
  return out;
}

/// Random choices, kept plain beside the trace written from them.
struct Sample {
  TraceHeader header;
  std::vector<TraceToken> tokens;
  std::vector<std::int16_t> experts;  // (tokens, layers, top_k)
  std::vector<float> weights;

  Sample(int n, int count, int top_k, bool with_weights, double absent) {
    header.model = "test";
    header.source = "a test";
    header.layers = {3, 4, 7};
    header.experts = count;
    header.top_k = top_k;
    header.weights = with_weights;
    header.domains = {"prose", "code"};
    header.notes = {"one note"};
    Random random(7, "sample");
    for (int t = 0; t < n; ++t) {
      tokens.push_back({t / 300, t / 50, t % 50, int(random.below(1000)),
                        t % 50 < 30 ? TracePhase::prefill : TracePhase::decode, std::uint8_t(t / 500 % 2)});
      for (int i = 0; i < 3 * top_k; ++i) {
        experts.push_back(random.uniform() < absent ? std::int16_t{-1}
                                                    : std::int16_t(random.below(std::uint64_t(count))));
        if (with_weights) weights.push_back(float(random.uniform()));
      }
    }
  }
  std::int16_t expert(int t, int m, int j) const { return experts[std::size_t((t * 3 + m) * header.top_k + j)]; }
  /// Writes in pieces of `piece` tokens, layer-major as the writer wants them.
  void write(const std::string& file, int piece, bool complete = true) const {
    TraceWriter writer(file, header);
    const int k = header.top_k, n = int(tokens.size());
    for (int at = 0; at < n; at += piece) {
      const int part = std::min(piece, n - at);
      std::vector<std::int16_t> ids;
      std::vector<float> w;
      for (int m = 0; m < 3; ++m)
        for (int t = at; t < at + part; ++t)
          for (int j = 0; j < k; ++j) {
            ids.push_back(expert(t, m, j));
            if (header.weights) w.push_back(weights[std::size_t((t * 3 + m) * k + j)]);
          }
      writer.add(std::span(tokens).subspan(std::size_t(at), std::size_t(part)), ids, w);
    }
    writer.finish(complete);
  }
};

void expect_equal(const Sample& sample, const Trace& trace) {
  const int n = int(sample.tokens.size()), k = sample.header.top_k;
  ASSERT_EQ(trace.tokens(), n);
  std::vector<TraceToken> tokens;
  trace.read_tokens(0, n, tokens);
  for (int t = 0; t < n; ++t) {
    const TraceToken &a = sample.tokens[std::size_t(t)], &b = tokens[std::size_t(t)];
    ASSERT_TRUE(a.pass == b.pass && a.request == b.request && a.position == b.position && a.token == b.token &&
                a.phase == b.phase && a.domain == b.domain)
        << t;
  }
  std::vector<std::int16_t> ids;
  std::vector<float> weights;
  for (int m = 0; m < 3; ++m) {
    trace.read_experts(m, 0, n, ids);
    trace.read_weights(m, 0, n, weights);
    ASSERT_EQ(weights.size(), sample.header.weights ? ids.size() : 0);
    for (int t = 0; t < n; ++t)
      for (int j = 0; j < k; ++j) {
        ASSERT_EQ(ids[std::size_t(t * k + j)], sample.expert(t, m, j));
        if (weights.empty()) continue;
        ASSERT_EQ(weights[std::size_t(t * k + j)], sample.weights[std::size_t((t * 3 + m) * k + j)]);
      }
  }
}

TEST(Trace, WhatWasWrittenIsReadBack) {
  struct Case {
    int tokens, experts, top_k;
    bool weights;
    double absent;
  };
  // 255, 256 and 257 experts: where an id and "absent" stop fitting one byte.
  for (const Case& c : {Case{1, 4, 2, false, 0}, Case{1024, 255, 3, true, 0.1}, Case{2500, 256, 2, false, 0.01},
                        Case{2500, 256, 2, false, 0}, Case{1500, 257, 4, true, 0}, Case{100, 384, 8, false, 0.5}}) {
    SCOPED_TRACE(c.experts);
    const std::string file = temporary("round");
    const Sample sample(c.tokens, c.experts, c.top_k, c.weights, c.absent);
    sample.write(file, 333);
    const Trace trace(file);
    EXPECT_TRUE(trace.complete());
    EXPECT_EQ(trace.header().layers, sample.header.layers);
    EXPECT_EQ(trace.header().domains, sample.header.domains);
    EXPECT_EQ(trace.header().notes, sample.header.notes);
    EXPECT_EQ(trace.header().model, "test");
    EXPECT_EQ(trace.passes(), (c.tokens + 299) / 300);
    EXPECT_EQ(trace.ordinal(7), 2);
    EXPECT_EQ(trace.ordinal(5), -1);
    expect_equal(sample, trace);
    EXPECT_FALSE(fs::exists(file + ".part"));
    fs::remove(file);
  }
}

TEST(Trace, TheLoadOfAnyWindowIsTheCountOfItsChoices) {
  const std::string file = temporary("load");
  const Sample sample(5000, 40, 3, false, 0.05);
  sample.write(file, 5000);
  const Trace trace(file);
  Random random(1, "windows");
  std::vector<std::pair<int, int>> windows = {{0, 5000},    {0, 1024}, {1024, 2048}, {1023, 1025},
                                              {4999, 5000}, {7, 7},    {4096, 5000}};
  for (int i = 0; i < 200; ++i) {
    const int a = int(random.below(5001)), b = int(random.below(5001));
    windows.emplace_back(std::min(a, b), std::max(a, b));
  }
  std::vector<std::int64_t> load(40);
  for (const auto& [first, end] : windows)
    for (int m = 0; m < 3; ++m) {
      std::vector<std::int64_t> want(40);
      for (int t = first; t < end; ++t)
        for (int j = 0; j < 3; ++j)
          if (const int e = sample.expert(t, m, j); e >= 0) ++want[std::size_t(e)];
      trace.load(m, first, end - first, load);
      ASSERT_EQ(load, want) << first << " to " << end;
    }
  fs::remove(file);
}

TEST(Trace, SelectionByPhaseDomainAndRequest) {
  const std::string file = temporary("select");
  const Sample sample(2000, 16, 2, false, 0);
  sample.write(file, 100);
  const Trace trace(file);
  const TraceFilter filters[] = {
      {}, {TracePhase::decode, {}, {}}, {{}, 1, {}}, {TracePhase::prefill, 0, {}}, {{}, {}, 13}};
  for (const TraceFilter& f : filters) {
    std::vector<std::int64_t> want(3 * 16);
    for (int t = 0; t < 2000; ++t) {
      const TraceToken& token = sample.tokens[std::size_t(t)];
      if ((f.phase && token.phase != *f.phase) || (f.domain && token.domain != *f.domain) ||
          (f.request && token.request != *f.request))
        continue;
      for (int m = 0; m < 3; ++m)
        for (int j = 0; j < 2; ++j) ++want[std::size_t(m * 16 + sample.expert(t, m, j))];
    }
    EXPECT_EQ(load_of(trace, select(trace, f)), want);
  }
  EXPECT_EQ(select(trace, {{}, {}, 13}).size(), 1u);
  fs::remove(file);
}

TEST(Trace, AnUnfinishedWriterLeavesNothingBehind) {
  const std::string file = temporary("unfinished");
  {
    TraceWriter writer(file, Sample(1, 4, 2, false, 0).header);
    EXPECT_FALSE(fs::exists(file));
  }
  for (const auto& entry : fs::directory_iterator(fs::path(file).parent_path()))
    EXPECT_FALSE(entry.path().string().starts_with(file)) << entry.path();
}

TEST(Trace, AnInterruptedRecordingOpensAndSaysSo) {
  const std::string file = temporary("interrupted");
  const Sample sample(10, 4, 2, false, 0);
  sample.write(file, 10, false);
  EXPECT_FALSE(Trace(file).complete());
  expect_equal(sample, Trace(file));
  fs::remove(file);
}

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(Trace, RefusesWhatItCannotWrite) {
  const std::string file = temporary("refuse");
  const Sample sample(10, 4, 2, false, 0);
  TraceWriter writer(file, sample.header);
  const std::vector<std::int16_t> ids(3 * 2, 4);
  EXPECT_EQ(message_of([&] { writer.add(std::span(sample.tokens).first(1), ids); }), "expert id 4 is outside 0 to 3");
  EXPECT_EQ(message_of([&] { writer.add(std::span(sample.tokens).first(2), ids); }),
            "2 tokens in 3 layers with top-2 need 12 expert ids, got 6");
  EXPECT_EQ(message_of([&] { writer.finish(); }), file + ": no token was recorded, so there is no trace to write");
}

TEST(Trace, RefusesFilesThatAreNoTrace) {
  const std::string file = temporary("other");
  std::ofstream(file) << "not a database";
  EXPECT_EQ(message_of([&] { Trace trace(file); }), file + ": is not an SQLite database");
  fs::remove(file);
  results::Database::create(file).close();
  EXPECT_EQ(message_of([&] { Trace trace(file); }), file + ": is not a routing trace");
  fs::remove(file);
}

TEST(Trace, DamageIsReportedWithTheFile) {
  const Sample sample(1500, 16, 2, true, 0);
  const struct {
    const char *sql, *want;
  } cases[] = {
      {"UPDATE trace_experts SET ids = x'00112233' WHERE id = 0", "a block of expert ids does not have 2048 bytes"},
      {"DELETE FROM trace_experts WHERE id = 0", "block 0 is missing"},
      {"UPDATE trace_experts SET width = 2", "a block of expert ids does not have 4096 bytes"},
      {"UPDATE trace SET value = '8' WHERE key = 'experts'", "it names expert"},
      {"UPDATE trace SET value = 'x' WHERE key = 'tokens'", "tokens is \"x\""},
      {"DELETE FROM trace WHERE key = 'model'", "\"model\" is missing"},
      {"UPDATE trace SET value = 'half' WHERE key = 'state'", "its state is \"half\""},
      {"UPDATE trace SET value = '99999' WHERE key = 'tokens'",
       "trace_tokens has 2 rows, numbered 0 to 1, but 99999 tokens in 3 layers need 0 to 97"},
      {"DELETE FROM trace_load WHERE id = 4",
       "trace_load has 8 rows, numbered 0 to 8, but 1500 tokens in 3 layers need 0 to 8"},
      {"UPDATE trace_layer SET layer = 4294967299 WHERE ordinal = 0", "it lists layer 4294967299 after -1"},
      {"UPDATE trace_layer SET layer = 2 WHERE ordinal = 1", "it lists layer 2 after 3"},
      {"UPDATE trace_domain SET name = CAST(x'ff41' AS TEXT) WHERE domain = 0", "trace_domain is not UTF-8"},
      {"UPDATE trace SET value = '32767' WHERE key IN ('experts', 'top_k')",
       "it has 3 layers of 32767 experts with top-32767"},
      {"DROP TABLE trace_load", "its tables have other columns"},
      {"ALTER TABLE trace_experts RENAME COLUMN width TO breadth", "its tables have other columns"},
  };
  for (const auto& c : cases) {
    const std::string file = temporary("damage");
    sample.write(file, 500);
    test::change_database(file, c.sql);
    const std::string message = message_of([&] {
      const Trace trace(file);
      std::vector<std::int16_t> ids;
      trace.read_experts(0, 0, 1024, ids);
    });
    EXPECT_TRUE(message.starts_with(file + ": the trace is damaged: " + c.want)) << message;
    fs::remove(file);
  }
}
}  // namespace
}  // namespace moesim::routing
