// ServeGen client profiles: each client has a rate, burstiness and length distributions for every ten minutes.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>

#include "core/elementary.h"
#include "formats/csv.h"
#include "formats/json.h"
#include "serving/traces/recorded.h"
#include "serving/traces/workloads.h"

namespace moesim::serving {
namespace {
constexpr double kMostTokens = 1e9;
constexpr double kLeastShape = 0.01;  // of gaps; below it, their mean cannot be computed (a Gamma function of 1/shape)

struct Window {
  double start = 0, rate = 0, shape = 1;
  enum class Gaps { poisson, gamma, weibull } gaps = Gaps::poisson;
};
struct LengthTable {
  std::vector<int> values;
  std::optional<Discrete> pick;
};
struct Client {
  std::vector<Window> windows;
  std::map<double, std::pair<LengthTable, LengthTable>> lengths;  // by the start of the window they hold from
  std::size_t window = 0;
  double next = 0;
};

/// "{12: 0.5, 40: 0.5}", the text of a Python dict, as lengths and weights; none of a window without requests, "{}".
LengthTable parse_lengths(std::string_view text, const std::string& file) {
  LengthTable out;
  std::vector<double> weights;
  const char* at = text.data();
  const char* end = at + text.size();
  const auto number = [&](double& value) {
    while (at < end && std::string_view("{}, :'\"").find(*at) != std::string_view::npos) ++at;
    if (at == end) return false;
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || !std::isfinite(value))
      throw ConfigError::placed(fmt::format("{}: expected \"{{length: weight, ...}}\"", file));
    at = rest;
    return true;
  };
  for (double length = 0, weight = 0; number(length);) {
    if (!number(weight)) throw ConfigError::placed(fmt::format("{}: a length has no weight", file));
    if (length < 0 || !(weight >= 0))
      throw ConfigError::placed(fmt::format("{}: lengths and weights must not be negative", file));
    if (length > kMostTokens)
      throw ConfigError::placed(fmt::format("{}: a length is beyond 10^9, got {}", file, length));
    out.values.push_back(int(length));
    weights.push_back(weight);
  }
  if (weights.empty()) return out;
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (!(sum > 0)) throw ConfigError::placed(fmt::format("{}: has no lengths", file));
  if (!std::isfinite(sum)) throw ConfigError::placed(fmt::format("{}: the weights are too large", file));
  out.pick.emplace(weights);
  return out;
}

/// The next line: start, rate, CV, kind, shape, scale.
Window read_window(const formats::CsvFile& csv) {
  if (csv.cells() < 4)
    csv.fail(fmt::format("expected window start, rate, CV, kind, shape, scale; got {} fields", csv.cells()));
  const auto number = [&](std::size_t i) {
    if (csv.is_number(i) && csv.number(i) >= 0) return csv.number(i);
    csv.fail(fmt::format("field {}: expected a number that is not negative, got \"{}\"", i + 1, csv.text(i)));
  };
  Window w{.start = number(0), .rate = number(1), .shape = 1, .gaps = Window::Gaps::poisson};
  const std::string_view kind = csv.text(3);
  if (kind.empty()) return w;
  if (kind != "Gamma" && kind != "Weibull")
    csv.fail(fmt::format("expected Gamma, Weibull or nothing, got \"{}\"", kind));
  if (csv.cells() < 5) csv.fail("a Gamma or Weibull window needs a shape");
  w.gaps = kind == "Gamma" ? Window::Gaps::gamma : Window::Gaps::weibull;
  w.shape = number(4);
  if (!(w.shape > 0)) csv.fail("the shape must be above 0");
  if (w.shape < kLeastShape) csv.fail(fmt::format("the shape must be at least {}, got {}", kLeastShape, w.shape));
  return w;
}

std::vector<Window> read_windows(const std::string& file) {
  std::vector<Window> out;
  for (formats::CsvFile csv(file); csv.next();) {
    const Window w = read_window(csv);
    if (!out.empty() && w.start <= out.back().start) csv.fail("windows must be sorted by their start");
    out.push_back(w);
  }
  if (out.empty()) throw ConfigError(fmt::format("{}: holds no window", file));
  return out;
}

std::string trace_of(const std::string& folder, int client) {
  return fmt::format("{}/chunk-{}-trace.csv", folder, client);
}
/// Where window i ends.
double end_of(const std::vector<Window>& windows, std::size_t i) {
  constexpr double kWindow = 600;  // seconds, the step of the profiles
  return i + 1 < windows.size() ? windows[i + 1].start : windows[i].start + kWindow;
}

class ServeGen final : public Workload {
 public:
  struct Params {
    DataFile folder;
    double rate_scale = 1;
    Time from{}, until{};
    std::int64_t limit = 0;
    static void fields(auto& f, auto& p) {
      f.required("folder", p.folder, "holds chunk-<i>-trace.csv and chunk-<i>-dataset.json, one pair a client");
      f("rate_scale", p.rate_scale, "multiplies every client's rate");
      f("from", p.from, "leaves out what comes before");
      f("until", p.until, "and what comes from this time on; 0 s means the last window's end");
      f("limit", p.limit, "stop after so many requests; 0 means no limit");
    }
  };
  ServeGen(const Params& p, const WorkloadContext& c)
      : p_(p), context_(c), thinning_(c.shares, c.seed), lengths_(c.seed, "workload lengths") {
    if (!(p.rate_scale > 0)) throw ConfigError("rate_scale", "must be above 0");
    const std::string folder = p.folder.path;
    for (int i = 0;; ++i) {
      const std::string trace = trace_of(folder, i);
      if (!std::filesystem::exists(trace)) break;
      clients_.push_back(read(trace, fmt::format("{}/chunk-{}-dataset.json", folder, i)));
      times_.emplace_back(c.seed, fmt::format("workload client {}", i));
      Client& client = clients_.back();
      client.next = seconds(p_.from);
      while (client.window + 1 < client.windows.size() && client.windows[client.window + 1].start <= client.next)
        ++client.window;
      advance(std::size_t(i));
    }
    if (clients_.empty()) throw ConfigError("folder", fmt::format("{}: holds no chunk-0-trace.csv", folder));
  }

  bool cut_off() const override { return cut_off_; }

  std::optional<Request> next() override {
    while (true) {
      if (p_.limit > 0 && rows_ == p_.limit) return std::nullopt;
      const auto first = std::ranges::min_element(clients_, {}, &Client::next);
      const double at = first->next;
      if (!(at < 9.2e6) || (p_.until.v != 0 && at >= seconds(p_.until))) return std::nullopt;
      Request out;
      out.arrival = from_seconds(at - seconds(p_.from));
      if (out.arrival > context_.duration) {
        cut_off_ = true;
        return std::nullopt;
      }
      out.row = ++rows_;
      const bool taken = thinning_.take(out);
      if (taken) draw_lengths(*first, at, out);
      advance(std::size_t(first - clients_.begin()));
      if (taken) return out;
    }
  }

 private:
  /// As in the last window that has lengths, or the first that has.
  void draw_lengths(const Client& client, double at, Request& out) {
    auto found = client.lengths.upper_bound(at);
    if (found != client.lengths.begin()) --found;
    const auto& [input, output] = found->second;
    out.input = std::max(1, input.values[(*input.pick)(lengths_)]);
    out.output = std::max(1, output.values[(*output.pick)(lengths_)]);
    if (out.outside) out.output = 1;
  }

  static Client read(const std::string& trace, const std::string& dataset) {
    Client out;
    out.windows = read_windows(trace);
    const formats::JsonValue all = formats::read_json(dataset);
    if (!all.is_object() || all.empty())
      throw ConfigError::placed(fmt::format("{}: expected a JSON object of windows", dataset));
    for (const auto& [key, value] : all.items()) {
      const formats::JsonObject window(value, fmt::format("{}: window \"{}\"", dataset, key));
      double start = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), start);
      if (error != std::errc{} || end != key.data() + key.size() || !std::isfinite(start))
        window.fail("expected its start in seconds as key");
      const auto lengths = [&](const char* name) {
        const formats::JsonValue& cell = window.at(name);
        return parse_lengths(cell.is_string() ? cell.get_ref<const std::string&>() : cell.dump(), dataset);
      };
      std::pair both(lengths("input_tokens"), lengths("output_tokens"));
      if (both.first.pick.has_value() != both.second.pick.has_value())
        window.fail("has lengths of inputs or of outputs alone");
      if (both.first.pick) out.lengths.emplace(start, std::move(both));
    }
    const bool idle = std::ranges::all_of(out.windows, [](const Window& w) { return w.rate == 0; });
    if (out.lengths.empty() && !idle)
      throw ConfigError::placed(fmt::format("{}: has no lengths, but {} has requests", dataset, trace));
    return out;
  }

  /// Moves a client to its next arrival; a gap that crosses the end of a window is drawn anew from there.
  void advance(std::size_t i) {
    Client& client = clients_[i];
    for (; client.window < client.windows.size(); ++client.window) {
      const Window& w = client.windows[client.window];
      const double end = end_of(client.windows, client.window);
      client.next = std::max(client.next, w.start);
      const double rate = w.rate * p_.rate_scale;
      if (rate > 0) {
        const double at = client.next + gap(w, times_[i]) / rate;
        if (at < end) return void(client.next = at);
      }
      client.next = end;
    }
    client.next = std::numeric_limits<double>::infinity();
  }
  /// A gap of mean 1.
  static double gap(const Window& w, Random& random) {
    switch (w.gaps) {
      case Window::Gaps::poisson:
        return random.exponential(1);
      case Window::Gaps::gamma:
        return random.gamma(w.shape) / w.shape;
      case Window::Gaps::weibull:
        return pow_of(random.exponential(1), 1 / w.shape) / gamma_function(1 + 1 / w.shape);
    }
    return 1;
  }

  Params p_;
  WorkloadContext context_;
  Thinning thinning_;
  Random lengths_;
  std::vector<Client> clients_;
  std::vector<Random> times_;
  std::int64_t rows_ = 0;
  bool cut_off_ = false;
};
}  // namespace

double profiled_arrivals(const std::string& folder, double from, double until) {
  double out = 0;
  for (int client = 0; std::filesystem::exists(trace_of(folder, client)); ++client) {
    const std::vector<Window> windows = read_windows(trace_of(folder, client));
    for (std::size_t i = 0; i < windows.size(); ++i)
      out += windows[i].rate * std::max(0.0, std::min(until, end_of(windows, i)) - std::max(from, windows[i].start));
  }
  return out;
}

Strategy<Workload, const WorkloadContext&> servegen() {
  return workload_kind<ServeGen>(
      "servegen", "ServeGen client profiles: rate, burstiness and lengths of each client by the ten minutes");
}
}  // namespace moesim::serving
