#include "exchange/linear_program.h"

#include <glpk.h>

#include <memory>

#include "core/check.h"

namespace moesim::exchange {
namespace {
void set_row(glp_prob* p, int row, double low, double high) {
  const bool has_low = low != -LinearProgram::kNone, has_high = high != LinearProgram::kNone;
  const int kind = has_low && has_high ? (low == high ? GLP_FX : GLP_DB)
                   : has_low           ? GLP_LO
                   : has_high          ? GLP_UP
                                       : GLP_FR;
  glp_set_row_bnds(p, row, kind, has_low ? low : 0, has_high ? high : 0);
}
}  // namespace

std::vector<double> solve(const LinearProgram& program, const std::string& what) {
  glp_term_out(GLP_OFF);
  const std::unique_ptr<glp_prob, decltype(&glp_delete_prob)> p(glp_create_prob(), glp_delete_prob);
  glp_set_obj_dir(p.get(), GLP_MIN);
  glp_add_rows(p.get(), int(program.lower.size()));
  glp_add_cols(p.get(), int(program.cost.size()));
  for (std::size_t i = 0; i < program.lower.size(); ++i)
    set_row(p.get(), int(i) + 1, program.lower[i], program.upper[i]);
  for (std::size_t j = 0; j < program.cost.size(); ++j) {
    glp_set_col_bnds(p.get(), int(j) + 1, GLP_LO, 0, 0);
    glp_set_obj_coef(p.get(), int(j) + 1, program.cost[j]);
  }
  std::vector<int> rows{0}, columns{0};  // GLPK counts from 1
  std::vector<double> values{0};
  for (const auto& t : program.terms) {
    rows.push_back(t.row + 1);
    columns.push_back(t.column + 1);
    values.push_back(t.value);
  }
  glp_load_matrix(p.get(), int(program.terms.size()), rows.data(), columns.data(), values.data());
  glp_smcp options;
  glp_init_smcp(&options);
  options.msg_lev = GLP_MSG_OFF;
  options.presolve = GLP_ON;
  const int failed = glp_simplex(p.get(), &options);
  check(failed == 0 && glp_get_status(p.get()) == GLP_OPT, "the linear programme of {} has no optimum", what);
  std::vector<double> out;
  for (std::size_t j = 0; j < program.cost.size(); ++j) out.push_back(glp_get_col_prim(p.get(), int(j) + 1));
  return out;
}
}  // namespace moesim::exchange
