"""What the quick suite leaves to the slow one: of tests with many costly rows it runs some.

Of each test below the quick suite runs one row in so many, drawn by the rows' names, and the slow suite the others. The
numbers are CPU seconds of all rows over 1.4, on Python 3.11 and JAX 0.10.2, so that a test with many rows costs little
more than one with few.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict

import pytest

ONE_IN: dict[str, dict[str, int]] = {
    "bench/test_contestants.py": dict(
        single_steps_walk_to_the_same_outputs=3,
        what_takes_part_agrees_with_the_truth=4,
    ),
    "bench/test_runner.py": dict(
        a_disturbed_round_is_repeated_and_says_so=2,
    ),
    "cells/test_initialisation.py": dict(
        every_parameter_dtype=2,
    ),
    "compose/test_compose.py": dict(
        bidirectional=2,
        noise_is_the_same_whole_in_pieces_streamed_and_in_blocks=4,
    ),
    "decode/test_attention.py": dict(
        attention_equals_numpy_and_padding_reaches_nothing=2,
        scan_equals_numpy_and_steps_and_padding_reaches_nothing=6,
    ),
    "decode/test_beam.py": dict(
        a_wide_beam_is_exhaustive=3,
        narrow_beams_equal_plain_python=2,
    ),
    "decode/test_glimpse.py": dict(
        filters_far_away_or_extreme_are_finite_and_sum_to_one=6,
        filters_reading_and_writing_equal_numpy=2,
    ),
    "decode/test_mixture.py": dict(
        any_batch_axes=4,
        finite_at_extremes_in_float32=2,
    ),
    "decode/test_no_distribution.py": dict(
        beam_gives_no_best_sequences_and_says_so=2,
        sample_ends_a_row_and_reports_it=4,
    ),
    "decode/test_what_a_step_reads.py": dict(
        an_attribute_that_changes_between_two_calls=3,
    ),
    "decode/test_window.py": dict(
        any_cell_and_batch_axes=3,
    ),
    "decode/test_wrong_parameters.py": dict(
        parameters_of_a_reader=2,
    ),
    "engine/test_closed_over.py": dict(
        gradients_outside_jit_and_under_vmap=3,
        nothing_is_kept_of_a_trace_that_has_ended=3,
        second_derivatives_are_those_of_a_functions_own_rule=6,
        what_an_activation_reads_is_differentiated=12,
        what_changed_has_effect=13,
    ),
    "engine/test_errors.py": dict(
        wrong_call_raises_our_error=2,
    ),
    "engine/test_long_form.py": dict(
        recur=2,
    ),
    "engine/test_masks.py": dict(
        any_subset_of_arguments=3,
    ),
    "engine/test_states.py": dict(
        derivatives=2,
    ),
    "engine/test_truncated.py": dict(
        gradients_reach_back_k2_steps_every_k1=7,
        no_rows=2,
        values_are_those_of_scan_with_everything_else_on=2,
    ),
    "interop/test_damage.py": dict(
        flips_and_cuts=3,
    ),
    "interop/test_files.py": dict(
        every_damaged_entry_is_named=3,
        flipped_bytes_never_escape=2,
    ),
    "interop/test_jax_libraries.py": dict(
        equinox=3,
        haiku=3,
        linen=4,
        nnx=3,
    ),
    "interop/test_keras.py": dict(
        files=4,
        outputs_states_and_gradients=10,
        saved_weights_give_keras_our_outputs=3,
    ),
    "interop/test_live.py": dict(
        torchscript=2,
    ),
    "interop/test_onnx.py": dict(
        export_runs_in_onnxruntime=3,
        import_against_onnxruntime=11,
    ),
    "interop/test_tf1_cudnn.py": dict(
        cudnn=2,
    ),
    "keras_layers/test_activations.py": dict(
        the_same_function=2,
    ),
    "keras_layers/test_against_keras.py": dict(
        values_and_all_gradients=17,
    ),
    "keras_layers/test_dropout.py": dict(
        the_masks_go_where_keras_puts_them=7,
    ),
    "keras_layers/test_initial.py": dict(
        the_same_distribution=4,
    ),
    "keras_layers/test_masks.py": dict(
        padding_changes_no_bit=3,
    ),
    "keras_layers/test_promise.py": dict(
        row=7,
    ),
    "keras_layers/test_stateful.py": dict(
        calls_go_on_where_the_last_one_stopped=2,
    ),
    "keras_layers/test_training.py": dict(
        training_beside_keras=3,
    ),
    "kernels/test_elementary.py": dict(
        special_numbers=2,
    ),
    "kernels/test_equations.py": dict(
        activations_run_natively=2,
        as_the_reference=5,
        cells_drawn_at_random=12,
        functions_and_their_derivatives=3,
    ),
    "kernels/test_native.py": dict(
        functions=6,
        memory_of_a_training_step=3,
        odd_sizes=21,
    ),
    "kernels/test_single.py": dict(
        derivatives=3,
        odd_sizes=13,
    ),
    "laws/test_law_01_reference.py": dict(
        gradients_equal_the_oracle=19,
        gradients_equal_the_reference=6,
        jvp_and_jvp_of_gradient_equal_the_reference=4,
        jvp_is_the_gradient_along_the_tangent=6,
        nothing_given_is_all_steps=2,
        outputs_and_carries_equal_the_oracle=27,
    ),
    "laws/test_law_02_pieces.py": dict(
        default_blocks_are_the_reference=4,
        every_chunk_is_the_whole=9,
        gradients_of_every_chunk=6,
        sqrt_with_segments_of_several_blocks=2,
        two_halves_are_the_whole=13,
    ),
    "laws/test_law_03_padding.py": dict(
        integer_inputs_equal_one_hot_and_their_padding_is_free=2,
        no_rows=2,
        padding_changes_no_bit=15,
        projected_inputs_equal_raw_ones=2,
        row_of_length_zero=11,
        rows_do_not_see_each_other=20,
        several_batch_axes_and_none=6,
    ),
    "laws/test_law_06_meshes.py": dict(
        compositions_over_explicit_axes=10,
        every_argument_over_a_mesh=6,
        modules_over_explicit_axes=2,
        units_over_a_second_axis=2,
    ),
    "laws/test_law_06_transforms.py": dict(
        debug_nans_is_silent_for_finite_inputs=3,
        lower_precision=5,
        shard_map_over_the_batch=7,
        vmap_of_gradient_of_remat=4,
        without_jit=3,
    ),
    "laws/test_law_07_compilation.py": dict(
        export_for_every_platform=11,
        program_does_not_grow_with_time=3,
    ),
    "laws/test_law_07_export.py": dict(
        a_loop_over_nothing_for_any_number=2,
        any_number_of_steps_and_rows=3,
    ),
    "laws/test_law_09_golden.py": dict(
        numbers_are_the_frozen_ones=6,
    ),
    "laws/test_law_10_values.py": dict(
        checkify_reports_traced_values=2,
        traced_lengths_are_clipped=4,
    ),
    "modules/test_displays.py": dict(
        linen=4,
        nnx=12,
    ),
    "modules/test_flax_and_ours.py": dict(
        flaxs_linen_cells_in_our_rnn=2,
        flaxs_nnx_cells_in_our_rnn=2,
        our_nnx_cells_in_flaxs_rnn=5,
    ),
    "modules/test_law_08_same_numbers.py": dict(
        forward_and_gradient=2,
    ),
    "modules/test_promise.py": dict(
        row=29,
    ),
    "modules/test_swap.py": dict(
        linen=2,
        nnx=5,
    ),
    "modules/test_wrong_calls.py": dict(
        wrong_call=2,
    ),
    "peers/test_flax.py": dict(
        linen=3,
        nnx=2,
        simple_cells=3,
    ),
    "peers/test_keras.py": dict(
        outputs_and_all_gradients=7,
    ),
    "peers/test_torch.py": dict(
        layer_norm_lstm=2,
        outputs_and_all_gradients=7,
    ),
    "tasks/test_adding.py": dict(
        loss_equals_numpy_whatever_is_in_the_padding=2,
    ),
    "tasks/test_captioning.py": dict(
        captions_equal_numpy=2,
        loss_equals_numpy_on_ragged_captions=2,
    ),
    "tasks/test_draw.py": dict(
        bound_and_glimpses_equal_numpy=3,
    ),
    "tasks/test_handwriting.py": dict(
        losses_equal_numpy=2,
    ),
    "tasks/test_lip_reading.py": dict(
        loss_equals_numpy_on_ragged_sentences=2,
    ),
    "tasks/test_memory_policy.py": dict(
        loss_equals_numpy=2,
    ),
    "tasks/test_nan_figures.py": dict(
        every_figure_is_nan_where_outputs_are=3,
    ),
    "tasks/test_translation.py": dict(
        loss_equals_numpy_on_ragged_pairs=2,
        translations_equal_numpy=2,
    ),
    "tasks/test_video_captioning.py": dict(
        captions_equal_numpy=2,
    ),
    "tasks/test_word_lm.py": dict(
        loss_is_summed_over_time_and_recorded_a_word=2,
    ),
    "train/test_averaging.py": dict(
        a_resumed_run_is_the_same=2,
    ),
    "train/test_config.py": dict(
        shipped_configurations_are_valid_and_found_by_name=2,
    ),
    "train/test_generated.py": dict(
        samples_are_written=2,
    ),
    "train/test_loop.py": dict(
        stopped_and_resumed_run_equals_an_uninterrupted_one=3,
    ),
    "wrong_calls/test_wrong_calls.py": dict(
        some_wrong_calls=5,
    ),
}


def leave_to_the_slow_suite(items: list[pytest.Item]) -> None:
    """Mark what the quick suite does not run."""
    tests = defaultdict(list)
    for item in items:
        tests[item.nodeid.partition("[")[0]].append(item)
    for file, names in ONE_IN.items():
        for name, one_in in names.items():
            rows = tests.get(f"tests/{file}::test_{name}", [])
            drawn = sorted(rows, key=lambda item: zlib.crc32(item.nodeid.encode()))
            for item in drawn[math.ceil(len(rows) / one_in) :]:
                item.add_marker(pytest.mark.slow)
