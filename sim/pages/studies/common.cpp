#include "pages/studies/common.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <numeric>
#include <set>

#include "results/summary.h"

namespace moesim::pages {
namespace {
Html alarm_of(const Facts& f) {
  if (f.state == "complete") return {};
  return html(
      "This run did not come to its end (state {}): rows are missing, and figures hold for what was done until then.",
      f.state);
}

constexpr double kAllBorrowed = 0.995, kNoneBorrowed = 0.0005;  // shares of kernel time, as they are written

/// The largest of a figure over scopes; 0 where none has it.
double largest_of(const Facts& f, std::string_view metric, const std::vector<std::string>& scopes) {
  double out = 0;
  for (const std::string& s : scopes)
    if (f.has(metric, s)) out = std::max(out, f.value(metric, s));
  return out;
}

/// What the bands hold for: where part of the times rests on another GPU's kernels, that part's errors are larger.
std::string band_words(const Facts& f, const Band& own, const Band& other, const std::vector<std::string>& scopes) {
  const auto within = [](const Band& b) { return fmt::format("{} and {}", share_text(b.median), share_text(b.p90)); };
  if (other.p90 == 0)
    return fmt::format(
        "Bands: half and nine of ten of the single kernels that were measured are within {} of the equations.",
        within(own));
  if (own.p90 == 0)
    return fmt::format(
        "Bands: no kernels were measured on this GPU; where one GPU's efficiencies stood in for another's, half and "
        "nine of ten of the single kernels were within {}.",
        within(other));
  std::string shares;
  for (const std::string& s : scopes)
    if (const double v = f.value("kernel_time_borrowed_share", s); v > 0)
      shares += fmt::format("{}{}{}", shares.empty() ? "" : ", ", share_text(std::min(1.0, v)),
                            scopes.size() > 1 ? " of " + scope_words(s) : "");
  return fmt::format(
      "Bands: half and nine of ten of the single kernels that were measured are within {} of the equations. Of kernel "
      "time {} rests on another GPU's efficiencies, and these are within {}.",
      within(own), shares, within(other));
}

/// Single kernels' errors, and what was published.
void add_band(Page& page, const Facts& f, const Queries& q, const std::vector<std::string>& scopes) {
  Band own, other;
  own.median = largest_of(f, "kernel_error_median", scopes), own.p90 = largest_of(f, "kernel_error_p90", scopes);
  double least = 1;  // of the scopes, the share that is borrowed
  for (const std::string& s : scopes) least = std::min(least, f.value("kernel_time_borrowed_share", s));
  if (largest_of(f, "kernel_time_borrowed_share", scopes) > kNoneBorrowed) {
    other.median = largest_of(f, "kernel_error_borrowed_median", scopes);
    other.p90 = largest_of(f, "kernel_error_borrowed_p90", scopes);
    if (other.p90 > 0 && least > kAllBorrowed) own = {};
  }
  Band b;  // of most of the time
  if (own.p90 == 0 || (other.p90 > 0 && least > 0.5))
    b.median = other.median, b.p90 = other.p90;
  else
    b.median = own.median, b.p90 = own.p90;
  const Rows published = q.rows("published");
  for (std::size_t i = 0; i < published.size(); ++i) {
    const double error = published.number(i, 3) / published.number(i, 2) - 1;
    b.errors.push_back({words_of(published.text(i, 0)), fmt::format("{:+.1f} %", 100 * error), error});
  }
  if (b.p90 == 0 && b.errors.empty()) return;
  b.aria = fmt::format("Errors: half of the single kernels within {:.1f} %, nine of ten within {:.1f} %",
                       100 * b.median, 100 * b.p90);
  for (const Dots::Dot& e : b.errors) b.aria += fmt::format("; {} {}", e.label, e.shown);
  Panel p{"How far off it may be", "", band(b)};
  if (b.p90 > 0) p.under = band_words(f, own, other, scopes);
  if (!b.errors.empty()) p.under += " Dots: this run against what was published.";
  page.strip.push_back(std::move(p));
}

/// The parts of kernel time by where they come from; what is of another GPU lies across these: a chart of its own.
void add_origins(Page& page, const Facts& f, const std::vector<std::string>& scopes) {
  Bars b, other;
  for (Bars* bars : {&b, &other})
    bars->label_name = "origin", bars->value_name = "share of kernel time", bars->full = 1;
  b.aria = "Where kernel times come from";
  other.aria = "Kernel time of efficiencies that were measured on another GPU";
  for (const std::string& scope : scopes) {
    double from = 0;
    const std::string of = scopes.size() > 1 ? scope.substr(scope.find(':') + 1) + ": " : "";
    for (const auto& [name, tone] : {std::pair("measured", Tone::answer),
                                     {"interpolated", Tone::part},
                                     {"equation", Tone::rest},
                                     {"extrapolated", Tone::alert},
                                     {"borrowed", Tone::alert}}) {
      const double share = f.value(fmt::format("kernel_time_{}_share", name), scope);
      if (!(share > 0)) continue;
      if (std::string_view(name) == "borrowed") {
        other.bars.push_back({of + "of another GPU", 0, std::min(1.0, share), share_text(share), "", tone});
        continue;
      }
      b.bars.push_back({of + name, from, std::min(1.0, from + share), share_text(share), "", tone});
      from += share;
    }
  }
  if (b.bars.empty()) return;
  page.strip.push_back({"Where kernel times come from", "", bars(b)});
  if (!other.bars.empty()) page.strip.push_back({"How much of all that was measured on another GPU", "", bars(other)});
}
}  // namespace

Page begun_page(const Facts& f, const Queries& q, const std::vector<std::string>& kernels) {
  Page page;
  page.kind = f.study;
  page.title = f.title;
  page.alarm = alarm_of(f);
  add_assumed(page, f);
  add_band(page, f, q, kernels);
  add_origins(page, f, kernels);
  return page;
}

void add_key(Page& page, const Facts& f, std::string label, std::string_view metric, std::string beside,
             std::string_view scope) {
  if (!f.has(metric, scope)) return;
  const double v = f.value(metric, scope);
  const bool share =
      metric.starts_with("mfu") || metric.ends_with("share") || metric.ends_with("goodput") || metric == "gap_to_bound";
  page.keys.push_back({std::move(label),
                       share ? fmt::format("{:.{}f} %", 100 * v, std::fabs(v) < 0.01 ? 2 : 1) : f.shown(metric, scope),
                       std::move(beside), std::string(metric), std::string(scope), v});
}

void add_published(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("published");
  if (rows.empty()) return;
  Section s;
  s.id = "published";
  s.question = "Does it agree with what was published?";
  s.columns = rows.size() > 1 ? 2 : 1;
  std::vector<double> errors;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double published = rows.number(i, 2), simulated = rows.number(i, 3);
    const std::string& unit = rows.text(i, 4);
    errors.push_back(simulated / published - 1);
    const std::string a = results::pretty(simulated, unit), b = results::pretty(published, unit);
    const std::string name = words_of(rows.text(i, 0)), scope = rows.text(i, 1) == "run" ? "" : ", " + rows.text(i, 1);
    s.panels.push_back({name + scope, "",
                        dots({fmt::format("{}: simulated {}, published {}", name, a, b),
                              unit,
                              {{"simulated", a, simulated, false}, {"published", b, published, true}}})});
    s.note += fmt::format("{}{}: {}. ", name, scope, rows.text(i, 5));
    if (rows.size() == 1)
      s.answer =
          html("{} simulated, {} {} the {} published: {}{}", strong(a),
               fmt::format("{:.1f} %", 100 * std::fabs(errors[0])), errors[0] < 0 ? "below" : "above", b, name, scope);
  }
  if (rows.size() > 1) {
    const auto [low, high] = std::ranges::minmax(errors);
    const std::string from = fmt::format("{:+.1f} %", 100 * low), to = fmt::format("{:+.1f} %", 100 * high);
    s.answer = apart(from, to, html("{} published figures: the run is off by {} to {}", rows.size(), from, to),
                     html("{} published figures: the run is off by {}", rows.size(), from));
  }
  s.note += "The axes need not start at 0. Nothing was fitted to these figures.";
  if (!changes_of(f).empty()) s.note += " The run is not as the scenario is written: see what is assumed.";
  s.sql = {q.sql("published")};
  page.sections.push_back(std::move(s));
}

void add_timeline(Page& page, const Facts& f) {
  Section s;
  s.id = "timeline";
  s.question = "What ran when, operation by operation?";
  s.answer = html("A timeline of the run opens in ui.perfetto.dev");
  s.below = html(
      "<p>This runs it again and writes it: less than 50 MB, of the GPUs and the time it "
      "chooses (<code class=\"nw\">--timeline-gpus</code> and <code class=\"nw\">--timeline-window</code> choose "
      "others).{}</p><pre "
      "tabindex=\"0\" class=\"cmd\" id=\"timeline-command\"><code>{}</code></pre><p class=\"ctl\"><label>The file "
      "<input "
      "type=\"file\" accept=\".json\" "
      "data-timeline=\"1\"></label> <button type=\"button\" id=\"timeline-go\">Open in ui.perfetto.dev</button> "
      "<output id=\"timeline-n\"></output></p>",
      f.options_kept ? html("")
                     : html(" Add every <code>--set</code> that the run had: this database does not keep them."),
      command_of(f, "--timeline timeline.json -o timeline.db"));
  s.note =
      "The button needs the network: it opens that site and hands the file over within your browser. Nothing else on "
      "this page leaves your machine, nor does the file before you press it.";
  page.sections.push_back(std::move(s));
}

Figure layer_lines(const std::vector<LayerLine>& all, std::string_view what, std::string_view aria) {
  Lines l;
  l.aria = std::string(aria);
  l.x_name = "layer", l.y_name = std::string(what);
  l.top = 1;
  std::set<double> layers;
  for (const LayerLine& line : all) layers.insert(line.layers.begin(), line.layers.end());
  l.x.assign(layers.begin(), layers.end());
  for (const LayerLine& line : all) {
    Lines::Series& s = l.series.emplace_back();
    s.name = line.name;
    s.y.assign(l.x.size(), std::nan(""));
    for (std::size_t i = 0; i < line.layers.size(); ++i)
      s.y[std::size_t(std::distance(layers.begin(), layers.find(line.layers[i])))] = line.values[i];
  }
  return lines(l);
}

Parts largest_parts(const std::vector<std::string>& names, const std::vector<double>& sizes, std::size_t most) {
  std::vector<std::size_t> order(names.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
  Parts out;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (i < most || order.size() == most + 1) {
      out.names.push_back(names[order[i]]);
      out.members.push_back({order[i]});
    } else if (i == most) {
      out.names.push_back("other");
      out.members.push_back({order[i]});
    } else {
      out.members.back().push_back(order[i]);
    }
  return out;
}

Fates why_fell(const Queries& q, const std::string& what, const std::string& why, const std::string& of,
               const std::string& aria, const std::string& title, std::size_t most) {
  Fates out;
  out.fates = q.rows("fates"), out.reasons = q.rows(why);
  const Rows &fates = out.fates, &reasons = out.reasons;
  Section& s = out.section;
  s.id = "fates";
  s.question = "Why did the others fall?";
  s.columns = 2;
  s.sql = {q.sql("fates"), q.sql(why)};
  const auto bar = [](const Rows& rows, std::size_t i, const std::string& text) {
    return Bar{rows.text(i, 0), 0, rows.number(i, 1), text, "", Tone::rest};
  };
  out.fell.aria = fmt::format("{}{} by what became of them", char(std::toupper(static_cast<unsigned char>(what[0]))),
                              what.substr(1));
  out.fell.label_name = "fate", out.fell.value_name = what;
  for (std::size_t i = 0; i < fates.size(); ++i)
    if (const std::string& fate = fates.text(i, 0); fate != "chosen" && fate != "front" && fate != "meets")
      out.fell.bars.push_back(bar(fates, i, results::pretty(fates.number(i, 1), "")));
  out.why.aria = aria, out.why.label_name = "why", out.why.value_name = of;
  for (std::size_t i = 0; i < reasons.size() && i < most; ++i)
    out.why.bars.push_back(bar(reasons, i, reasons.text(i, 1)));
  if (!out.fell.bars.empty()) s.panels.push_back({fmt::format("{} that fell", what), "", bars(out.fell)});
  if (!out.why.bars.empty()) s.panels.push_back({title, "", bars(out.why)});
  return out;
}

Tone tone_of_part(std::size_t place) {
  constexpr std::array kTones = {Tone::answer, Tone::kind1, Tone::kind4, Tone::kind2, Tone::kind3, Tone::ink};
  return kTones[place % kTones.size()];
}
}  // namespace moesim::pages
