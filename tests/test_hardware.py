"""Devices and number formats: what is there is used, what is not is one clear line."""

import pytest
import torch

from notbugs.errors import NotbugsError
from notbugs.hardware import choose_device, choose_precision, has_fast_bfloat16

CPU = torch.device("cpu")


def test_auto_is_an_accelerator_if_there_is_one():
    there_is_one = torch.cuda.is_available() or torch.backends.mps.is_available()
    assert (choose_device("auto").type != "cpu") == there_is_one


@pytest.mark.parametrize("name", ["cpu", "cpu:0"])
def test_the_cpu_is_always_there(name):
    assert choose_device(name).type == "cpu"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "cuda:-1", "cpu cpu", "meta:x"])
def test_what_is_not_there_is_a_clear_error(name):
    with pytest.raises(NotbugsError, match="cannot be used here; try --device auto") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)


def test_precision():
    assert choose_precision("float32", CPU) == torch.float32
    assert choose_precision("bfloat16", CPU) == torch.bfloat16
    fast = torch.bfloat16 if has_fast_bfloat16(CPU) else torch.float32
    assert choose_precision("auto", CPU) == fast
    with pytest.raises(NotbugsError, match="unknown precision 'float16'"):
        choose_precision("float16", CPU)
