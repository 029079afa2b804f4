#include "pages/page.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "core/check.h"
#include "pages/assets.h"
#include "pages/charts/scale.h"
#include "pages/sha256.h"
#include "results/program.h"

namespace moesim::pages {
namespace {
constexpr std::size_t kMostText = 200'000;    // bytes of a text that a page quotes whole
constexpr std::size_t kMostTable = 20'000;    // rows of a chart's table
constexpr std::size_t kMostFigures = 8'000;   // in the table of all
constexpr std::size_t kMostPage = 5'000'000;  // bytes; a page that would be larger leaves the charts' tables out

Html details(std::string_view summary, const Html& inner) {
  return html("<details class=\"screen\"><summary>{}</summary>{}</details>", summary, inner);
}
Html quotation(std::string_view text) {
  if (text.size() <= kMostText) return html("<pre tabindex=\"0\"><code>{}</code></pre>", text);
  return html("<pre tabindex=\"0\"><code>{}</code></pre><p class=\"note\">The first {} of {} bytes.</p>",
              text.substr(0, kMostText), kMostText, text.size());
}

Html panel_html(const Panel& p, const std::string& id, bool tables) {
  core::check(p.figure.marks == data_of(p.figure), "chart {} draws {} marks of {} values", id, p.figure.marks,
              data_of(p.figure));
  Html out = html("<div{}>", p.wide ? html(" class=\"all\"") : html(""));
  if (!p.heading.empty()) out += html("<h3>{}</h3>", p.heading);
  if (!p.under.empty()) out += html("<p class=\"note\">{}</p>", p.under);
  out += html("<figure id=\"{}\" data-marks=\"{}\" data-mark=\"{}\"{}>{}{}", id, p.figure.marks,
              p.figure.mark_is == MarkIs::row ? "row" : "cell",
              p.figure.reads.empty() ? html("") : html(" data-reads=\"{}\"", p.figure.reads), p.figure.chart,
              p.figure.reads.empty() ? html("") : html("<output class=\"read screen\" aria-live=\"polite\"></output>"));
  if (tables && p.figure.table.rows.size() <= kMostTable)
    out += details("The same as a table", table_html(p.figure.table, id + "-t"));
  return out += html("</figure></div>");
}

Html panels_html(const std::vector<Panel>& panels, const std::string& id, int columns, bool tables) {
  Html out;
  for (std::size_t i = 0; i < panels.size(); ++i) out += panel_html(panels[i], fmt::format("{}-{}", id, i), tables);
  return columns == 1 ? out : html("<div class=\"cols c{}\">{}</div>", columns, out);
}

Html section_html(const Section& s, bool tables) {
  Html out = html("<section id=\"{}\"><p class=\"q\">{}</p><h2>{}</h2>{}", s.id, s.question, s.answer, s.above);
  out += panels_html(s.panels, "f-" + s.id, s.columns, tables);
  out += s.below;
  if (!s.note.empty()) out += html("<p class=\"note\">{}</p>", s.note);
  Html sql;
  for (const std::string& q : s.sql) sql += quotation(q);
  if (!sql.empty()) out += details("SQL behind this", sql);
  return out += html("</section>");
}

Html keys_html(const std::vector<KeyFigure>& keys) {
  Html out;
  for (const KeyFigure& k : keys) {
    Html from;
    if (k.value) {
      from = html(" data-value=\"{}\"", fmt::format("{:.12g}", *k.value));
      from += k.sql.empty() ? html(" data-metric=\"{}\" data-scope=\"{}\"", k.metric, k.scope)
                            : html(" data-sql=\"{}\"", k.sql);
    }
    out += html("<div><dt>{}</dt><dd{}>{} <small>{}</small></dd></div>", k.label, from, k.shown, k.beside);
  }
  return out.empty() ? out : html("<dl class=\"keys\">{}</dl>", out);
}

Html assumed_html(const Page& page) {
  Html list;
  for (const Html& a : page.assumed) list += html("<li>{}</li>", a);
  if (list.empty()) return {};
  return html(
      "<section id=\"assumed\"><p class=\"q\">What is assumed?</p><h2>What these figures rest on</h2><ul "
      "class=\"list\">{}</ul></section>",
      list);
}

/// The calibration that kernel times come from; "" where the settings do not say.
std::string kernel_tables(const Facts& f) {
  for (const std::string of : {"", "answer."}) {
    const std::string kind = f.setting(of + "kernels.kind"), named = f.setting(of + "kernels.calibration");
    const std::string generation = f.setting(of + "cluster.node.gpu.generation");
    if (kind.empty() || kind == "roofline") continue;
    return !named.empty() && named != "-" ? named : generation.empty() ? "" : "kernels-" + generation;
  }
  return "";
}

/// The run that the page is of; of a sweep's points, what all of them have.
Html run_html(const Facts& f) {
  Html out = html("{} <code>{}</code>, ", f.scenario_file.empty() ? "Command" : "Scenario",
                  f.scenario_file.empty() ? f.scenario : std::filesystem::path(f.scenario_file).filename().string());
  const bool several = f.seed.find(',') != std::string::npos;
  if (f.study == "sweep") return out += html("{} {}, moesim {}. ", several ? "seeds" : "seed", f.seed, f.version);
  out += html("seed {}, moesim {}, run {}", f.seed, f.version, f.state);
  if (const std::string tables = kernel_tables(f); !tables.empty())
    out += html(", kernel tables <code>{}</code>", tables);
  if (!f.fingerprint.empty()) out += html(", fingerprint <code>{}</code>", f.fingerprint);
  const bool simulated = f.study != "validate" && f.study != "place";  // these count what they compare
  if (simulated && !f.events.empty()) out += html(", {} events", brief(std::strtod(f.events.c_str(), nullptr)));
  if (!f.wall_time.empty() && f.study != "validate")  // its runs are timed in no database
    out += html(" in {}", f.wall_time);
  return out += html(". ");
}

Html page_by(const Facts& f) {
  return f.version == results::program() ? html("Page by the same moesim.")
                                         : html("Page by moesim {}.", results::program());
}

/// What the command line changed, and the command that does it again; of a sweep, where its points differ.
Html again_html(const Facts& f) {
  Html out;
  if (!f.options.empty()) {
    out += html("<p>{}:", f.study == "sweep" ? "Set for all points" : "Changed on the command line");
    for (const auto& [name, value] : f.options)
      out += html(" <code>{}{}</code>{}", name == "--set" ? "" : name + " ", value,
                  &value == &f.options.back().second ? "" : ",");
    out += html("</p>");
  } else if (!f.options_kept) {
    out += html("<p>What the command line changed was not kept by the moesim that ran this.</p>");
  }
  if (const std::string command = command_of(f, "-o again.db"); !command.empty())
    out += html(
        "<p>The same again, in the folder {}:</p><pre tabindex=\"0\" class=\"cmd\" "
        "id=\"again\"><code>{}</code></pre>",
        f.study == "sweep" && f.sweep_file.empty() ? "where the sweep's text, above, stands as sweep.yaml"
                                                   : "where it was run",
        command);
  if (f.differing.empty()) return out;
  DataTable t{"In brackets, how many points have the value", {"setting", "values"}, {}};
  for (const auto& [key, values] : f.differing) t.rows.push_back({cell(key), cell(values)});
  return out += details(fmt::format("Settings in which points differ ({})", f.differing.size()), table_html(t));
}

/// Of what no run is in, but runs read.
Html trace_footer(const Facts& f) {
  return html(
      "<footer><h2>Where this comes from</h2><p>File <code>{}</code>, {}. {}</p><p>A trace holds choices, and of "
      "their recording what stands on this page: no scenario, settings or seed. A run that recorded has them in its "
      "own "
      "results.</p></footer>",
      std::filesystem::path(f.file).filename().string(),
      f.version.empty() ? html("written by a moesim that left no version in traces")
                        : html("written by moesim {}", f.version),
      page_by(f));
}

Html footer_html(const Facts& f) {
  if (f.study == "trace") return trace_footer(f);
  Html out = html("<footer><h2>Where this comes from</h2><p>{}{}</p>", run_html(f), page_by(f));
  out += again_html(f);
  if (!f.scenario_file.empty()) out += details("The scenario's text", quotation(f.scenario));
  if (!f.resolved.empty()) {
    const char* which = f.study == "sweep" ? "Settings that all points share" : "All settings in force";
    if (f.study == "validate") which = "Scenarios that were run";
    const auto lines = std::ranges::count(f.resolved, '\n');  // keys of lists may come again
    out += details(fmt::format("{} ({})", which, lines), quotation(f.resolved));
  }
  DataTable all{"", {"scope", "figure", "value", "unit"}, {}};
  for (const auto& [key, figure] : f.metrics) {
    if (all.rows.size() >= kMostFigures) break;
    all.rows.push_back(
        {cell(key.first), cell(key.second), {fmt::format("{:.6g}", figure.value), figure.value}, cell(figure.unit)});
  }
  if (!all.rows.empty())
    out +=
        details(fmt::format("All figures ({})", f.metrics.size()),
                html("<p class=\"ctl\"><label>Only rows with <input type=\"search\" data-filter=\"figures\"></label> "
                     "<output id=\"figures-n\"></output></p>{}",
                     table_html(all, "figures")));
  return out += html("</footer>");
}
}  // namespace

namespace {
Html body_html(const Page& page, const Facts& facts, bool tables) {
  Html body;
  if (!page.alarm.empty()) body += html("<div class=\"alarm\" role=\"alert\">{}</div>", page.alarm);
  body += html(
      "<header><div class=\"top\"><span>moesim · {}</span><button type=\"button\" id=\"theme\" class=\"screen\">Dark "
      "page"
      "</button></div><h1>{}</h1><p class=\"dim\">{}</p>{}",
      page.kind, page.headline, page.title, keys_html(page.keys));
  if (!page.strip.empty()) body += html("<div class=\"strip\">{}</div>", panels_html(page.strip, "f-strip", 2, tables));
  body += html("</header><main>");
  body += assumed_html(page);
  for (const Section& s : page.sections) body += section_html(s, tables);
  return body += html("</main>{}", footer_html(facts));
}
}  // namespace

std::string page_html(const Page& page, const Facts& facts) {
  const std::string style = asset("page.css"), script = asset("page.js");
  Html body = body_html(page, facts, true);
  if (body.text().size() + style.size() + script.size() > kMostPage) body = body_html(page, facts, false);
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src "
      "'none'; style-src {}; script-src {}; base-uri 'none'; form-action "
      "'none'\">\n<title>{}</title>\n<style>{}</style></head>"
      "<body>\n{}\n<script>{}</script></body></html>\n",
      policy_hash(style), policy_hash(script), escaped(page.title), style, body.text(), script);
}

Html strong(std::string_view text) { return html("<span class=\"sim\">{}</span>", text); }
Html bad(std::string_view text) { return html("<span class=\"bad\">{}</span>", text); }
Html dim(std::string_view text) { return html("<span class=\"dim\">{}</span>", text); }
}  // namespace moesim::pages
