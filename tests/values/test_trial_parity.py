"""Trials as values behave as Optuna's do, wherever those behave well."""

from __future__ import annotations

import pytest

from ahpo.distributions import FloatDistribution, UniformDistribution
from ahpo.trials import create_trial
from tests.values.two_libraries import AHPO, OPTUNA, Outcome, outcome

# `t` is a complete trial; `w(...)` is `t` with other parts.
PREAMBLE = (
    "import datetime; now = datetime.datetime(2020, 1, 1); "
    "later = now + datetime.timedelta(seconds=5); "
    "w = lambda **k: FrozenTrial(**{**dict(number=0, state=State.COMPLETE, value=0.5, "
    "datetime_start=now, datetime_complete=later, params={'x': 0.5}, "
    "distributions={'x': Float(0, 1)}, user_attrs={'u': 1}, system_attrs={'s': 2}, "
    "intermediate_values={0: 0.1, 3: 0.2}, trial_id=7), **k}); t = w(); "
    "xs = lambda n: w(params={'x': n}, distributions={'x': Int(0, 5)}); "
    "f = lambda v: FixedTrial({'x': v}); "
)

FROZEN = """
t
w(value=None, values=[1, 2])
w(value=None, values=(1, 2)).values
w(value=None).values, w(value=None).value
w(value=None, values=[1, 2]).value
w(value=1, values=[1])
t.last_step, w(intermediate_values={}).last_step
t.duration, w(datetime_complete=None).duration, w(datetime_start=None).duration
t == w(), t == w(number=1), t == 5, t != w(user_attrs={}), t == w(value=2)
t < w(number=1), t <= w(), t > w(number=1), t >= w(number=1)
t < 5
t <= 5
t > 5
hash(t)
[x.number for x in sorted([w(number=2), w(number=1)])]
t.number = 5; t.number
t.value = 5; (t.value, t.values)
t.value = None; (t.value, t.values)
t.values = (1, 2); t.values
t.values = [1, 2]; t.value
t.values = [1, 2]; t.value = 4; t.values
t.values = None; t.values
t.values = 3; t.values
t.datetime_start = later; t.duration
t.params = {'y': 1}; t.params
t.distributions = {'y': Float(0, 2)}; t.distributions
t.user_attrs = {'y': 1}; t.user_attrs
t.system_attrs = {'y': 1}; t.system_attrs
t.state = State.FAIL; t.state
t.intermediate_values = {1: 2}; t.last_step
t.last_step = 1; t.last_step
t.trial_id
t._trial_id
t.suggest_float('x', 0, 1)
t.suggest_float('x', 0.6, 1)
t.suggest_float('x', 0.6, 1, step=0.1)
t.suggest_float('y', 0, 1)
t.suggest_float('x', 0.1, 1, log=True)
t.suggest_float('x', 1, 0)
t.suggest_uniform('x', 0, 1)
t.suggest_loguniform('x', 0.1, 1)
t.suggest_discrete_uniform('x', 0, 1, 0.5)
t.suggest_categorical('x', [0.5, 'a'])
w(params={'x': 'q'}).suggest_float('x', 0, 1)
w(distributions={}).suggest_categorical('x', [0.5, 'a'])
w(distributions={}).suggest_categorical('x', ['a'])
w(distributions={}).suggest_int('x', 0, 1)
xs(3).suggest_int('x', 0, 1)
xs(3).suggest_int('x', 0, 5)
xs(3).suggest_int('x', 0, 5, step=5)
xs(3).suggest_int('x', 1, 5, log=True)
xs(3).suggest_int('x', 1, 5, step=2, log=True)
t = w(distributions={}); t.suggest_float('x', 0, 1); t.distributions
t.suggest_float('x', 0, 2); t.distributions
t.report('a', -1)
t.report(1, 20); t.intermediate_values
t.should_prune()
t.set_user_attr('a', 1); t.user_attrs
t.set_constraint('a', 1); (t.constraints, t.system_attrs)
t.set_constraint('a', 'x')
t.set_constraint('a', None)
t.set_constraint('a', nan)
t.set_constraint(3, 0.5); t.constraints
t.set_constraint('', inf); t.constraints
t.set_constraint('a:b', '1.5'); t.constraints
t.constraints
w(system_attrs={'constraints': [1, 2.5]}).constraints
w(system_attrs={'constraints': None}).constraints
w(system_attrs={'constraints': []}).constraints
w(system_attrs={'constraints': (1,), 'constraints:a': 2.0}).constraints
import pickle; pickle.loads(pickle.dumps(t)) == t
import copy; copy.deepcopy(t) == t, copy.copy(t) == t, copy.copy(t).params is t.params
p = t.params; p['z'] = 1; t.params
"""

CREATE = """
create_trial()
create_trial(1)
create_trial(value=1, values=[1])
create_trial(value=nan)
create_trial(value=inf).values
create_trial(value='a')
create_trial(value='1')
create_trial(values=[]).values
create_trial(values=[nan, 1])
create_trial(values=[None])
create_trial(values=(1, 2)).values
create_trial(state=State.RUNNING).datetime_complete
create_trial(state=State.WAITING).datetime_start
create_trial(state=State.FAIL).values
create_trial(state=State.FAIL, value=1)
create_trial(state=State.FAIL, value=nan)
create_trial(state=State.PRUNED).values
create_trial(state=State.PRUNED, value=1).values
create_trial(state=State.PRUNED, intermediate_values={0: 1.0}).last_step
create_trial(state=State.RUNNING, value=1).values
create_trial(value=1).datetime_start is None, create_trial(value=1).datetime_complete is None
create_trial(value=1).number, create_trial(value=1)._trial_id
create_trial(value=1, params={'x': 1})
create_trial(value=1, distributions={'x': Float(0, 1)})
create_trial(value=1, params={'x': 1}, distributions={'y': Float(0, 1)})
create_trial(value=1, params={'x': 5}, distributions={'x': Float(0, 1)})
create_trial(value=1, params={'x': 0.55}, distributions={'x': Float(0, 1, step=0.1)})
create_trial(value=1, params={'x': 'q'}, distributions={'x': Float(0, 1)})
create_trial(value=1, params={'x': 'q'}, distributions={'x': Cat(['a'])})
create_trial(value=1, params={'x': nan}, distributions={'x': Float(0, 1)})
create_trial(value=1, params={'x': 1}, distributions={'x': Float(0, 1)}).params
create_trial(value=1, user_attrs={'a': 1}, system_attrs={'b': 2}).user_attrs
create_trial(value=1, constraints={'a': 1.5}).system_attrs
create_trial(value=1, constraints={'a': '2'}).system_attrs
create_trial(value=1, constraints={'a': 'x'})
create_trial(value=1, constraints={'a': nan})
create_trial(value=1, constraints={'a': 1}, system_attrs={'constraints:a': 5}).system_attrs
create_trial(value=1, constraints={'a': 1}, system_attrs={'constraints': [5]}).constraints
"""

FIXED = """
f(0.5).suggest_float('x', 0, 1)
f(0.5).suggest_float('y', 0, 1)
f(5).suggest_float('x', 0, 1)
f(5).suggest_float('x', 0, 10)
f('q').suggest_float('x', 0, 10)
f(nan).suggest_float('x', 0, 1)
f(0.55).suggest_float('x', 0, 1, step=0.1)
f(3).suggest_float('x', -inf, inf)
f(0.5).suggest_float('x', 1, 0)
f(5.5).suggest_int('x', 0, 10)
f(5.0).suggest_int('x', 0, 10)
f(15.5).suggest_int('x', 0, 10)
f(3).suggest_int('x', 0, 10, step=2)
f(5).suggest_int('x', 0, 10, log=True)
f('a').suggest_categorical('x', ['a', 'b'])
f('c').suggest_categorical('x', ['a', 'b'])
f(True).suggest_categorical('x', [1, 2])
f([1]).suggest_categorical('x', [[1], 2])
f(0.5).suggest_uniform('x', 0, 1)
f(0.5).suggest_loguniform('x', 0.1, 1)
f(0.5).suggest_discrete_uniform('x', 0, 1, 0.5)
x = f(0.5); x.suggest_float('x', 0, 1); (x.suggest_float('x', 0, 2), x.distributions)
x = f(0.5); x.suggest_float('x', 0, 1); x.suggest_float('x', 0.1, 2, log=True)
x = f(1); x.suggest_float('x', 0, 1); x.suggest_int('x', 0, 2)
x = f(1); (x.params, x.distributions, x.user_attrs, x.system_attrs, x.number, x.constraints)
x = FixedTrial({'x': 1, 'y': 2}); x.suggest_float('x', 0, 1); x.params
FixedTrial({}, 7).number, FixedTrial({}, number=7).number
f(1).datetime_start is None
f(1).report('a', 'b')
f(1).should_prune()
x = f(1); x.set_user_attr('a', 1); x.user_attrs
x = f(1); x.set_constraint('a', 1); (x.constraints, x.system_attrs)
f(1).set_constraint('a', nan)
f(1).set_constraint('a', 'x')
f(1).state
f(1) == f(1)
"""

SAME = [line for table in (FROZEN, CREATE, FIXED) for line in table.strip().splitlines()]


@pytest.mark.parametrize("expression", SAME)
def test_gives_what_optuna_gives(expression: str) -> None:
    mine, theirs = outcome(PREAMBLE + expression, AHPO), outcome(PREAMBLE + expression, OPTUNA)
    assert mine == theirs


def test_old_distribution_becomes_that_of_today() -> None:
    with pytest.warns(FutureWarning):
        trial = create_trial(
            value=1, params={"x": 0}, distributions={"x": UniformDistribution(0, 1)}
        )
    assert trial.distributions == {"x": FloatDistribution(0, 1)}


def test_parameter_that_does_not_fit_at_all_is_refused_without_a_warning() -> None:
    """Optuna warns first that the value is out of range, and then refuses the distribution."""
    expression = PREAMBLE + "t.suggest_int('x', 0, 1)"
    assert outcome(expression, AHPO) == Outcome("", ValueError, ())
    assert outcome(expression, OPTUNA) == Outcome("", ValueError, (UserWarning,))
