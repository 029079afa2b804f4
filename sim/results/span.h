// Spans: what ran where and when, kept for the timeline and the database's span table.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/units.h"

namespace moesim::results {

enum class TrackId : std::uint32_t {};
enum class NameId : std::uint32_t {};

/// Which spans are kept: a run makes millions, a person looks at a few thousand.
struct SpanFilter {
  bool enabled = false;
  Time from{0}, to{INT64_MAX};
  std::set<std::uint32_t> gpus;  // empty: all
  std::size_t most_bytes = 0;    // of the timeline as a file; beyond, the log thins itself (see SpanLog); 0: any
};

/// Keeps what the filter wants.  Where that would be more than `most_bytes` of a file, it keeps less: every other GPU,
/// down to kFewGpus, unless the filter names GPUs; then no links; then nothing later than it has.
class SpanLog {
 public:
  static constexpr std::size_t kFewGpus = 16;  // a pipeline's stages, one each
  struct Track {
    std::optional<GpuId> gpu;  // none for a link
    std::string stream;        // "compute", "communication", or the link's name
    std::string group;         // of tracks without a GPU: what they are, such as "links"
  };
  struct Span {
    TrackId track;
    NameId name;
    std::int32_t layer;  // model layer number, -1 for none
    Time start, end;
  };
  /// An arrow between two spans, for example from a dispatch to the experts it feeds.
  struct Flow {
    TrackId from, to;
    Time leaves, arrives;
    NameId name;
  };

  explicit SpanLog(SpanFilter filter = {}) : filter_(std::move(filter)) {}
  bool enabled() const { return filter_.enabled; }
  /// True if a span of this track and time would be kept; ask before preparing anything costly.
  bool wants(TrackId track, Time start, Time end) const;

  /// The track of that GPU and stream (or link); the same arguments give the same track.
  TrackId track(std::optional<GpuId> gpu, std::string_view stream, std::string_view group = "links");
  NameId name(std::string_view text);
  void add(TrackId track, NameId name, Time start, Time end, int layer = -1);
  void add_flow(TrackId from, Time leaves, TrackId to, Time arrives, NameId name);

  /// GPUs that are kept, of all that had something to show.
  std::size_t gpus_kept() const;
  std::size_t gpus_seen() const;
  bool links_left_out() const { return !links_; }
  /// Nothing that begins later is kept; INT64_MAX if everything is.
  Time full_since() const { return full_since_; }

  const std::vector<Track>& tracks() const { return tracks_; }
  const std::vector<Span>& spans() const { return spans_; }
  const std::vector<Flow>& flows() const { return flows_; }
  const std::string& text(NameId id) const { return names_.at(index(id)); }

 private:
  std::set<std::uint32_t> gpus(bool kept) const;
  std::size_t bytes_of(const Span& span) const;
  std::size_t bytes_of(const Flow& flow) const;
  void grow(std::size_t bytes);
  void keep_less();
  void count_again();

  SpanFilter filter_;
  std::vector<Track> tracks_;
  std::vector<bool> kept_;  // by track
  std::map<std::pair<std::int64_t, std::string>, TrackId> track_ids_;
  std::vector<std::string> names_;
  std::map<std::string, NameId, std::less<>> name_ids_;
  std::vector<Span> spans_;
  std::vector<Flow> flows_;
  std::size_t bytes_ = 0;  // that the file will have at most
  std::set<std::uint32_t> dropped_gpus_;
  bool links_ = true;
  Time full_since_{INT64_MAX};
};
}  // namespace moesim::results
