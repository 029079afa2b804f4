#include "serving/traces/recorded.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace moesim::serving {
namespace {
constexpr std::int64_t kSecond = 1'000'000'000'000;

double difference(const Moment& a, const Moment& b) {
  return double(a.second - b.second) + double(a.picosecond - b.picosecond) * 1e-12;
}
}  // namespace

Moment moment(double s) {
  s = std::min(s, 1e15);  // 30 million years: what lies beyond is refused as what lies there
  const double whole = std::floor(s);
  return {std::int64_t(whole), std::int64_t(std::llround((s - whole) * 1e12))};
}

Recorded::Recorded(const Recording& recording, const WorkloadContext& context)
    : recording_(recording), context_(context), thinning_(context.shares, context.seed) {
  if (!(recording.rate_scale > 0))
    throw ConfigError("rate_scale", fmt::format("must be above 0, got {}", recording.rate_scale));
  if (recording.until.v != 0 && recording.until <= recording.from)
    throw ConfigError("until", "must come after workload.from");
}

Recorded::Row Recorded::row_of(std::int64_t row, int input, int output, Moment when) {
  Row out{.request = {}, .when = when};
  out.request.row = row;
  out.request.input = input;
  out.request.output = output;
  return out;
}

int Recorded::domain(const DomainNames& domains, std::string_view kind) const {
  if (domains.names.empty()) return 0;
  const auto found = std::ranges::find(domains.names, kind);
  if (found == domains.names.end())
    fail(fmt::format("is of kind \"{}\", but workload.domains lists {}", kind, fmt::join(domains.names, ", ")));
  return int(found - domains.names.begin());
}

void Recorded::fail_at(const Row& row, const std::string& problem) const {
  throw ConfigError::placed(fmt::format("{}:{}: {}", recording_.file.path, row.request.row, problem));
}

/// The next of the file, or of the file sorted.
std::optional<Recorded::Row> Recorded::next_row() {
  if (!recording_.sort) return read();
  if (!sorted_) {
    sorted_.emplace();
    while (std::optional<Row> row = read()) sorted_->push_back(std::move(*row));
    std::ranges::stable_sort(*sorted_, [](const Row& a, const Row& b) { return difference(a.when, b.when) < 0; });
    std::ranges::reverse(*sorted_);
  }
  if (sorted_->empty()) return std::nullopt;
  Row out = std::move(sorted_->back());
  sorted_->pop_back();
  return out;
}

/// Turns the row's moment into an arrival; false if the row lies outside the window.
bool Recorded::place(Row& row) {
  if (!origin_) origin_ = dated() ? row.when : Moment{};
  if (last_ && difference(row.when, *last_) < 0)
    fail_at(row, fmt::format("requests must be sorted by time, but this one comes {:.6g} s before the one above it; "
                             "sort: true sorts them",
                             difference(*last_, row.when)));
  last_ = row.when;
  const double at = difference(row.when, *origin_), start = seconds(recording_.from);
  if (at < 0) fail_at(row, fmt::format("a time must not be negative, got {} s", at));
  if (at < start) return drop("before workload.from", 1 + std::int64_t(row.later.size())), false;
  if (recording_.until.v != 0 && at >= seconds(recording_.until)) return ended_ = true, false;
  if ((at - start) / recording_.rate_scale >= 9.2e6)
    fail_at(row, "lies more than 106 days after the start; choose a part with workload.from and workload.until");
  if (recording_.rate_scale == 1) {  // whole picoseconds, no rounding
    const std::int64_t whole = row.when.second - origin_->second - recording_.from.v / kSecond;
    row.request.arrival = {whole * kSecond + row.when.picosecond - origin_->picosecond - recording_.from.v % kSecond};
  } else {
    row.request.arrival = from_seconds((at - start) / recording_.rate_scale);
  }
  if (row.request.arrival > context_.duration) return ended_ = cut_off_ = true, false;
  return true;
}

std::optional<Request> Recorded::next() {
  while (!ended_ && (recording_.limit == 0 || given_ < recording_.limit)) {
    std::optional<Row> row = next_row();
    if (!row) break;
    if (!place(*row)) continue;
    ++given_;
    if (!thinning_.take(row->request)) continue;
    if (row->request.outside)
      row->request.output = std::min(row->request.output, 1);
    else
      sessions_.open(row->request.session, {}, std::move(row->later));
    if (row->fresh) sessions_.repeat(row->request, {}, 0);
    return std::move(row->request);
  }
  ended_ = true;
  return std::nullopt;
}

std::optional<Request> Recorded::follow_up(const Request& done, Time end) {
  std::int64_t row = 0;  // every turn has its own
  std::optional<Request> out = sessions_.follow(done, end, row);
  if (out && out->arrival > context_.duration) {
    drop("later turns that would come after the duration", 1 + sessions_.close(out->session));
    out.reset();
  }
  return out;
}

std::optional<Request> Recorded::refused(const Request& done, Time) {
  drop("later turns of conversations of which one was rejected", sessions_.close(done.session));
  return std::nullopt;
}
}  // namespace moesim::serving
