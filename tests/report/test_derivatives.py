from playground.report.derivatives import v_curve


def entry(finding=None, curve=((0.1, 1e-2), (0.01, 1e-4), (0.001, float("nan"))), by="x"):
    return {"by": [by], "finding": finding, "curve": [list(pair) for pair in curve]}


def test_the_curve_of_what_is_wrong_comes_first():
    points = [{"at": {"x": 4}, "derivatives": [entry(), entry("kink", by="y")]}]
    assert v_curve(points) == ("by y at x = 4", [0.01, 0.1], [1e-4, 1e-2])


def test_a_point_without_variables_is_not_named():
    assert v_curve([{"at": {}, "derivatives": [entry()]}])[0] == "by x"


def test_there_may_be_none():
    assert v_curve([]) is None
    assert v_curve([{"at": {}, "derivatives": [entry(curve=())]}]) is None
    assert v_curve([{"at": {}, "derivatives": [entry(curve=((0.1, float("inf")),))]}]) is None
