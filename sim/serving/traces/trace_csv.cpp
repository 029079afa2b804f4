// Request traces with one CSV line a request: Azure, BurstGPT, splitwise-sim, Vidur.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "formats/csv.h"
#include "serving/traces/recorded.h"

namespace moesim::serving {
namespace {
class Csv : public Recorded {
 public:
  Csv(const Recording& recording, const WorkloadContext& context)
      : Recorded(recording, context), csv_(recording.file.path) {
    csv_.read_names();
  }

 protected:
  [[noreturn]] void fail(std::string_view problem) const final { csv_.fail(problem); }
  Row row(std::size_t input, std::size_t output, Moment when) const {
    return row_of(std::int64_t(csv_.lines().number()), csv_.count(input), csv_.count(output), when);
  }
  formats::CsvFile csv_;
};

class Azure final : public Csv {
 public:
  using Params = Recording;
  Azure(const Params& p, const WorkloadContext& c) : Csv(p, c) {}

 protected:
  bool dated() const override { return true; }
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    Moment when;
    if (!parse_moment(csv_.text(time_), when))
      fail(fmt::format("TIMESTAMP: expected a date and time such as 2023-11-16 18:17:03.9799600, got \"{}\"",
                       csv_.text(time_)));
    return row(input_, output_, when);
  }

 private:
  std::size_t time_ = csv_.column("TIMESTAMP"), input_ = csv_.column("ContextTokens"),
              output_ = csv_.column("GeneratedTokens");
};

/// Older files lack Session ID and Elapsed time; neither is needed.
class BurstGpt final : public Csv {
 public:
  struct Params : Recording, DomainNames {
    std::string model;
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p);
      f("model", p.model, "only requests to this model (column Model); all if empty");
      DomainNames::fields(f, p);  // of the column Log Type
    }
  };
  BurstGpt(const Params& p, const WorkloadContext& c) : Csv(p, c), only_(p.model), domains_(p) {
    if (csv_.has("Session ID")) session_ = csv_.column("Session ID");
    if (!domains_.names.empty()) type_ = csv_.column("Log Type");
  }
  int domains() const override { return std::max(1, int(domains_.names.size())); }

 protected:
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    while (!only_.empty() && csv_.text(model_) != only_) {
      drop("of other models");
      if (!csv_.next()) return std::nullopt;
    }
    Row out = row(input_, output_, moment(csv_.seconds(time_)));
    if (type_) out.request.domain = domain(domains_, csv_.text(*type_));
    if (session_) out.request.session = session_of(csv_.text(*session_));
    return out;
  }

 private:
  /// Calls of the API, unlike conversations, have no session.
  std::int64_t session_of(std::string_view text) {
    return text.empty() ? -1 : sessions_.try_emplace(std::string(text), std::int64_t(sessions_.size())).first->second;
  }
  std::string only_;
  DomainNames domains_;
  std::map<std::string, std::int64_t> sessions_;
  std::optional<std::size_t> type_, session_;
  std::size_t time_ = csv_.column("Timestamp"), input_ = csv_.column("Request tokens"),
              output_ = csv_.column("Response tokens"), model_ = csv_.column("Model");
};

class Splitwise final : public Csv {
 public:
  using Params = Recording;
  Splitwise(const Params& p, const WorkloadContext& c) : Csv(p, c) {}

 protected:
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    return row(input_, output_, moment(csv_.seconds(time_)));
  }

 private:
  std::size_t time_ = csv_.column("arrival_timestamp"), input_ = csv_.column("prompt_size"),
              output_ = csv_.column("token_size");
};

/// Vidur's files come with arrivals, or with lengths only; then `rate` makes Poisson arrivals.
class Vidur final : public Csv {
 public:
  struct Params : Recording {
    double rate = 0;
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p);
      f("rate", p.rate, "requests a second (Poisson), for files without arrived_at");
    }
  };
  Vidur(const Params& p, const WorkloadContext& c) : Csv(p, c), rate_(p.rate), times_(c.seed, "workload times") {
    if (csv_.has("arrived_at"))
      time_ = csv_.column("arrived_at");
    else if (!(rate_ > 0))
      csv_.fail("has no column \"arrived_at\", so the scenario must give workload.rate above 0");
  }

 protected:
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    const double at = time_ ? csv_.seconds(*time_) : now_ += times_.exponential(1 / rate_);
    return row(input_, output_, moment(at));
  }

 private:
  double rate_, now_ = 0;
  Random times_;
  std::optional<std::size_t> time_;
  std::size_t input_ = csv_.column("num_prefill_tokens"), output_ = csv_.column("num_decode_tokens");
};
}  // namespace

std::vector<Strategy<Workload, const WorkloadContext&>> csv_traces() {
  return {
      workload_kind<Azure>("azure", "Azure LLM inference traces, CSV with TIMESTAMP, ContextTokens, GeneratedTokens"),
      workload_kind<BurstGpt>("burstgpt", "BurstGPT, CSV with Timestamp, Request tokens, Response tokens"),
      workload_kind<Splitwise>("splitwise", "splitwise-sim, CSV with arrival_timestamp, prompt_size, token_size"),
      workload_kind<Vidur>("vidur", "Vidur, CSV with num_prefill_tokens, num_decode_tokens and perhaps arrived_at")};
}
}  // namespace moesim::serving
