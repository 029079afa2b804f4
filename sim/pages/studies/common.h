// What pages of several studies have in common.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pages/charts/charts.h"
#include "pages/facts.h"
#include "pages/page.h"
#include "pages/queries.h"

namespace moesim::pages {

/// Title, what spoils the figures, assumptions, error band and origin of kernel times.  kernels: the scopes that say
/// where kernel times come from, "run" or one a pool.
Page begun_page(const Facts& facts, const Queries& queries, const std::vector<std::string>& kernels);

/// What spoils the figures, assumptions, what the command line or a sweep changed.
void add_assumed(Page& page, const Facts& facts);
/// key=value of what was changed and bears on the figures.
std::vector<std::string> changes_of(const Facts& facts);

/// A figure as stored, if it was: nothing is added where it was not.  label: as people say it.
void add_key(Page& page, const Facts& facts, std::string label, std::string_view metric, std::string beside,
             std::string_view scope = "run");

/// What others measured beside this run; nothing where nothing was published of it.
void add_published(Page& page, const Facts& facts, const Queries& queries);

/// How to get the run's timeline, and a button that hands it to ui.perfetto.dev.
void add_timeline(Page& page, const Facts& facts);

/// Layers' balance: mean over max load of their GPUs, or how the heading calls it.
struct LayerLine {
  std::string name;
  std::vector<double> layers, values;
};
Figure layer_lines(const std::vector<LayerLine>& lines, std::string_view what, std::string_view aria);

/// The unit of a page's long durations: hours where the whole run and the plan's target are within two days.
struct LongUnit {
  double a_day = 1;  // of them
  std::string name = "days";
  std::string text(double days) const;  // "4.5 hours"
};
/// days: of what the page is about, where no figure of the run says it.
LongUnit long_unit(const Facts& facts, double days);

/// Of a sentence on two figures: `differ`, or `alike` where they are the same as written, so that nobody is told that
/// 118 ms is longer than 118 ms.
Html apart(std::string_view a, std::string_view b, Html differ, Html alike);
/// "85.5 GB" as bytes, and other texts of bytes in the settings; nothing if it is none.
std::optional<double> bytes_of(std::string_view text);
/// "40 ms" as seconds, and other texts of times; nothing if it is none.
std::optional<double> seconds_of(std::string_view text);
/// What a GPU's memory holds for the run, in bytes, without the reserve; nothing if the settings do not say.
std::optional<double> gpu_memory(const Facts& facts);
/// The GPU's name as the catalogue has it: "NVIDIA H800 SXM 80 GB"; "GPUs" if the settings do not say.
std::string gpu_name(const Facts& facts);
/// "exposed_communication_time" as words: "exposed communication"; a suffix that says the kind of figure is dropped.
std::string words_of(std::string_view name);
/// With spaces for underscores alone, and abbreviations as the field writes them: "TTFT p99", "GPU-hours".
std::string spaced(std::string_view name);
/// A scope as people say it: "pool both" of "pool:both", "layer 3" of "layer:3", "decode" of "phase:decode".
std::string scope_words(const std::string& scope);
/// The largest parts, those beyond `most` joined as "other": names in order of size with their places among the given.
struct Parts {
  std::vector<std::string> names;
  std::vector<std::vector<std::size_t>> members;  // of each
};
Parts largest_parts(const std::vector<std::string>& names, const std::vector<double>& sizes, std::size_t most);
/// What fell of a plan's candidates, and why.
struct Fates {
  Section section;
  Bars fell, why;       // as its panels show them
  Rows fates, reasons;  // of the two queries
};
/// The section "Why did the others fall?" but for its answer: what became of the candidates (query `fates`) beside why
/// others fell (query `why`), the first `most` reasons.  No panels: none fell.
/// what: "deployments"; of: what the reasons are of, "pools"; aria, title: of the reasons' bars.
Fates why_fell(const Queries& queries, const std::string& what, const std::string& why, const std::string& of,
               const std::string& aria, const std::string& title, std::size_t most);
/// Tones of a stack's parts, from the largest.
Tone tone_of_part(std::size_t place);
}  // namespace moesim::pages
