// What all recorded traces share: the file, the window of it that is used, and how fast it is played.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "serving/requests/sessions.h"
#include "serving/traces/moment.h"

namespace moesim::serving {

struct Recording {
  DataFile file;
  double rate_scale = 1;
  Time from{}, until{};
  std::int64_t limit = 0;
  bool sort = false;
  static void fields(auto& f, auto& p) {
    f.required("file", p.file, "the trace file; a relative path starts beside the scenario, then here");
    f("rate_scale", p.rate_scale,
      "plays the trace faster (above 1) or slower; pauses within conversations stay as recorded");
    f("from", p.from, "leaves out requests before this time of the trace");
    f("until", p.until, "and those from this time on; 0 s means the end");
    f("limit", p.limit, "stop after so many requests; 0 means no limit");
    f("sort", p.sort, "reads the whole file and sorts its requests by time, for files that are not sorted");
  }
};

/// Requests of one kind (of task, of model, ...) follow a routing domain of their own, where the trace names kinds.
struct DomainNames {
  std::vector<std::string> names;
  static void fields(auto& f, auto& p) {
    f("domains", p.names,
      "values of the trace's kind of request, in the order of serving.domains; one domain if empty");
  }
};

/// Applies window, order, rate and folding to rows that a derived class reads, and keeps the later turns of
/// conversations.
class Recorded : public Workload {
 public:
  Recorded(const Recording& recording, const WorkloadContext& context);
  std::optional<Request> next() final;
  std::optional<Request> follow_up(const Request& done, Time end) final;
  std::optional<Request> refused(const Request& done, Time end) final;
  bool cut_off() const final { return cut_off_; }
  std::map<std::string, std::int64_t> dropped() const final { return dropped_; }

 protected:
  struct Row {
    Request request;  // all but the arrival
    Moment when;
    std::vector<Turn> later{};  // of its session, which is then named
    bool fresh = false;         // all its blocks are its own, and to be named
  };
  /// The next row of the file, or nothing at its end.  Throws ConfigError naming the row.
  virtual std::optional<Row> read() = 0;
  [[noreturn]] virtual void fail(std::string_view problem) const = 0;
  /// True where times are dates: the first request is then at time zero.
  virtual bool dated() const { return false; }
  static Row row_of(std::int64_t row, int input, int output, Moment when);
  /// The place of a kind of request among the names.  Fails if there are names, but not this one.
  int domain(const DomainNames& domains, std::string_view kind) const;
  /// Blocks that are named by their turns have so many tokens.
  void set_hash_block(int tokens) { sessions_.set_hash_block(tokens); }
  /// So many requests of the file are left out.
  void drop(const std::string& reason, std::int64_t count = 1) {
    if (count > 0) dropped_[reason] += count;
  }

 private:
  std::optional<Row> next_row();
  bool place(Row& row);
  [[noreturn]] void fail_at(const Row& row, const std::string& problem) const;

  Recording recording_;
  WorkloadContext context_;
  Thinning thinning_;
  Sessions sessions_;
  std::optional<Moment> origin_, last_;
  std::optional<std::vector<Row>> sorted_;  // the last row first
  std::map<std::string, std::int64_t> dropped_;
  std::int64_t given_ = 0;
  bool ended_ = false, cut_off_ = false;
};

/// The same moment from seconds.
Moment moment(double seconds);
}  // namespace moesim::serving
