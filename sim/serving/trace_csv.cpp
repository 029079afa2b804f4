// Request traces with one CSV line a request: Azure, BurstGPT, splitwise-sim, Vidur.
#include "serving/recorded.h"

namespace moesim {
namespace {
class Csv : public Recorded {
 public:
  Csv(const Recording& recording, const WorkloadContext& context)
      : Recorded(recording, context), csv_(trace_path(recording.file, context)) {}

 protected:
  [[noreturn]] void fail(std::string_view problem) const final { csv_.rows().fail(problem); }
  Row row(int input, int output, Moment when) const {
    Row out{.request = {}, .when = when};
    out.request.row = csv_.rows().row();
    out.request.input = input;
    out.request.output = output;
    return out;
  }
  CsvFile csv_;
};

struct Plain {
  Recording recording;
  static void fields(auto& f, auto& p) { Recording::fields(f, p.recording); }
};

class Azure final : public Csv {
 public:
  using Params = Plain;
  Azure(const Params& p, const WorkloadContext& c) : Csv(p.recording, c) {}

 protected:
  bool dated() const override { return true; }
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    Moment when;
    if (!parse_moment(csv_.text(time_), when))
      fail(fmt::format("TIMESTAMP: expected a date and time such as 2023-11-16 18:17:03.9799600, got \"{}\"",
                       csv_.text(time_)));
    return row(csv_.count(input_), csv_.count(output_), when);
  }

 private:
  std::size_t time_ = csv_.column("TIMESTAMP"), input_ = csv_.column("ContextTokens"),
              output_ = csv_.column("GeneratedTokens");
};

/// Older files lack Session ID and Elapsed time; neither is needed.
class BurstGpt final : public Csv {
 public:
  struct Params {
    Recording recording;
    std::string model;
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p.recording);
      f("model", p.model, "only requests to this model (column Model); all if empty");
    }
  };
  BurstGpt(const Params& p, const WorkloadContext& c) : Csv(p.recording, c), only_(p.model) {}

 protected:
  std::optional<Row> read() override {
    while (csv_.next())
      if (only_.empty() || csv_.text(model_) == only_)
        return row(csv_.count(input_), csv_.count(output_), moment(csv_.seconds(time_)));
    return std::nullopt;
  }

 private:
  std::string only_;
  std::size_t time_ = csv_.column("Timestamp"), input_ = csv_.column("Request tokens"),
              output_ = csv_.column("Response tokens"), model_ = csv_.column("Model");
};

class Splitwise final : public Csv {
 public:
  using Params = Plain;
  Splitwise(const Params& p, const WorkloadContext& c) : Csv(p.recording, c) {}

 protected:
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    return row(csv_.count(input_), csv_.count(output_), moment(csv_.seconds(time_)));
  }

 private:
  std::size_t time_ = csv_.column("arrival_timestamp"), input_ = csv_.column("prompt_size"),
              output_ = csv_.column("token_size");
};

/// Vidur's files come with arrivals, or with lengths only; then `rate` makes Poisson arrivals.
class Vidur final : public Csv {
 public:
  struct Params {
    Recording recording;
    double rate = 0;
    static void fields(auto& f, auto& p) {
      Recording::fields(f, p.recording);
      f("rate", p.rate, "requests a second (Poisson), for files without arrived_at");
    }
  };
  Vidur(const Params& p, const WorkloadContext& c)
      : Csv(p.recording, c), rate_(p.rate), times_(c.seed, "workload times") {
    if (csv_.has("arrived_at"))
      time_ = csv_.column("arrived_at");
    else if (!(rate_ > 0))
      csv_.rows().fail("has no column \"arrived_at\", so the scenario must give workload.rate above 0");
  }

 protected:
  std::optional<Row> read() override {
    if (!csv_.next()) return std::nullopt;
    const double at = time_ ? csv_.seconds(*time_) : now_ += times_.exponential(1 / rate_);
    return row(csv_.count(input_), csv_.count(output_), moment(at));
  }

 private:
  double rate_, now_ = 0;
  Random times_;
  std::optional<std::size_t> time_;
  std::size_t input_ = csv_.column("num_prefill_tokens"), output_ = csv_.column("num_decode_tokens");
};

template <class Impl>
Strategy<Workload, const WorkloadContext&> entry(std::string_view kind, std::string_view summary) {
  return strategy<Impl, Workload, const WorkloadContext&>(kind, summary);
}
}  // namespace

std::vector<Strategy<Workload, const WorkloadContext&>> csv_traces() {
  return {entry<Azure>("azure", "Azure LLM inference traces, CSV with TIMESTAMP, ContextTokens, GeneratedTokens"),
          entry<BurstGpt>("burstgpt", "BurstGPT, CSV with Timestamp, Request tokens, Response tokens"),
          entry<Splitwise>("splitwise", "splitwise-sim, CSV with arrival_timestamp, prompt_size, token_size"),
          entry<Vidur>("vidur", "Vidur, CSV with num_prefill_tokens, num_decode_tokens and perhaps arrived_at")};
}
}  // namespace moesim
