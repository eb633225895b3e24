"""What the quick suite leaves to the slow one, and this to the sweep: of tests with many costly rows each runs some.

Of each test below the quick suite runs one row in so many, drawn by the rows' names (of those with a 0 none), and the
slow suite the others. The numbers are CPU seconds of all rows, on Python 3.11 and JAX 0.10.2, so that a test with many
rows costs little more than one with few.

The laws are some hundred tests for each cell. Elman's, the LSTMs, the GRUs and a user's own cell run them all, quickly
or slowly: what the engine does, it does for these. Of one in four of the other cells the quick suite runs law 1 on a
backend that is drawn; of each the slow one runs it on every backend, with one test of each of `DRAWN`. All of the rest
is run by `pytest -m sweep`.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

ONE_IN: dict[str, dict[str, int]] = {
    "bench/test_contestants.py": dict(
        cells_of_the_collection_agree_with_the_truth=4,
        forms_of_recurrent_kernels_are_ours_alone=2,
        memory_counts_neither_inputs_nor_outputs_nor_gradients=0,
        single_steps_walk_to_the_same_outputs=4,
        the_truth_is_the_oracles=2,
        what_takes_part_agrees_with_the_truth=8,
    ),
    "bench/test_runner.py": dict(
        a_dead_worker_is_reported_and_started_again=0,
        a_disturbed_round_is_repeated_and_says_so=3,
    ),
    "cells/test_cells.py": dict(
        dtype_policy=2,
        elman_takes_any_activation=2,
        shapes_follow_the_declaration=9,
    ),
    "cells/test_gated_cells.py": dict(
        multiplicative_integration_without_products_is_addition=5,
        without_bias_is_with_biases_of_zero=11,
    ),
    "cells/test_initial_values.py": dict(
        esn_has_its_spectral_radius_and_connectivity=3,
    ),
    "cells/test_initialisation.py": dict(
        every_parameter_dtype=38,
        parameters_are_those_declared_and_independent=5,
    ),
    "cells/test_structured.py": dict(
        kernels_of_few_units_have_the_form_of_the_others=6,
    ),
    "cells/test_times.py": dict(
        a_number_a_row_is_that_number_for_all_units=12,
        each_unit_may_have_its_own_time=2,
        times_of_any_dtype=9,
    ),
    "cells/test_linear_cells.py": dict(
        layers_of_linear_cells_are_the_references=6,
        pieces_and_all_carries_of_a_long_sequence=0,
    ),
    "compose/test_compose.py": dict(
        bidirectional=3,
        noise_is_the_same_whole_in_pieces_streamed_and_in_blocks=4,
        stack=2,
    ),
    "compose/test_quantize.py": dict(
        a_product_is_one_of_integers=5,
        backends_agree=18,
        cells_of_the_table=9,
        dtypes_stay=2,
        odd_sizes_natively=10,
    ),
    "compose/test_readout.py": dict(
        it_is_the_ridge_regression=3,
    ),
    "compose/test_slstm_block.py": dict(
        any_batch_axes_and_none=2,
        every_backend=3,
        gradients_of_all_that_is_given=4,
        outputs=18,
        padding_changes_no_bit=3,
        pieces_and_single_steps_are_the_whole=6,
    ),
    "decode/test_attention.py": dict(
        attention_equals_numpy_and_padding_reaches_nothing=4,
        scan_equals_numpy_and_steps_and_padding_reaches_nothing=6,
    ),
    "decode/test_beam.py": dict(
        a_wide_beam_is_exhaustive=12,
        narrow_beams_equal_plain_python=4,
        width_one_is_greedy_for_any_batch_axes=4,
    ),
    "decode/test_glimpse.py": dict(
        filters_far_away_or_extreme_are_finite_and_sum_to_one=6,
        filters_reading_and_writing_equal_numpy=6,
        gradients_equal_finite_differences=0,
    ),
    "decode/test_mixture.py": dict(
        any_batch_axes=4,
        draws_have_the_moments_of_the_biased_mixture=2,
        finite_at_extremes_in_float32=2,
    ),
    "decode/test_no_distribution.py": dict(
        a_mixture_with_nan_draws_nan=3,
        attention_over_nan_is_nan_in_that_row_alone=2,
        beam_gives_no_best_sequences_and_says_so=6,
        sample_ends_a_row_and_reports_it=15,
    ),
    "decode/test_sampling.py": dict(
        a_stream_draws_what_sample_draws_however_many_at_a_time=3,
        stream_gives_the_tokens_of_sample=4,
    ),
    "decode/test_what_a_step_reads.py": dict(
        a_global_that_changes_between_two_calls=2,
        a_value_of_an_open_trace=2,
        an_attribute_that_changes_between_two_calls=8,
    ),
    "decode/test_window.py": dict(
        any_cell_and_batch_axes=4,
        gradients_equal_torch=0,
    ),
    "decode/test_wrong_parameters.py": dict(
        parameters_of_a_reader=2,
    ),
    "engine/test_closed_over.py": dict(
        compiled_loops_run_what_reads_numbers=2,
        equations_and_their_products_may_read_too=0,
        gradients_outside_jit_and_under_vmap=3,
        nothing_is_kept_of_a_trace_that_has_ended=3,
        second_derivatives_are_those_of_a_functions_own_rule=12,
        what_an_activation_reads_is_differentiated=32,
        what_changed_has_effect=18,
    ),
    "engine/test_errors.py": dict(
        wrong_call_raises_our_error=3,
    ),
    "engine/test_gradients.py": dict(
        a_cell_that_multiplies_by_no_kernel=2,
        backward_twice_is_the_same=2,
        double_backward=0,
        frozen_arguments_leave_the_other_gradients=2,
        one_output_in_the_loss=2,
        per_step_inputs_that_are_integers_or_bools=2,
    ),
    "engine/test_long_form.py": dict(
        recur=3,
    ),
    "engine/test_masks.py": dict(
        any_subset_of_arguments=3,
        trap_16_packed_segments_are_runs_of_their_own=2,
    ),
    "engine/test_own_layers.py": dict(
        a_form_is_what_its_methods_read=2,
        what_changed_has_effect=3,
        what_methods_read_is_differentiated_and_not_kept=24,
    ),
    "engine/test_newton.py": dict(
        a_small_residual_is_not_believed=0,
        blocks_go_where_all_steps_at_once_do_not=0,
        derivatives_of_a_row_that_fell_back_are_the_loops_bit_by_bit=0,
        chaos_falls_back_and_is_the_loops_bit_by_bit=0,
        exponents_are_those_of_a_loop_in_numpy=2,
        hessian_and_jvp_are_the_loops=0,
        values_and_gradients_are_the_loops=0,
    ),
    "engine/test_recurrence.py": dict(
        derivatives_of_second_order_are_the_loops=12,
        float32_is_within_the_roundings_of_a_memory=3,
        values_and_gradients_are_the_loops=24,
        what_depends_on_no_step_is_computed_once=2,
        zero_forgets_nan_and_one_changes_no_bit=4,
    ),
    "engine/test_sharded_time.py": dict(
        any_marks_on_parts_of_one_step_and_more=10,
        eight_devices_are_one=36,
        inside_shard_map_over_rows_too_and_on_explicit_axes=9,
        one_exchange_forward_and_one_more_for_the_gradient=2,
    ),
    "engine/test_states.py": dict(
        derivatives=4,
    ),
    "engine/test_truncated.py": dict(
        gradients_reach_back_k2_steps_every_k1=8,
        no_rows=2,
        values_are_those_of_scan_with_everything_else_on=2,
    ),
    "forms/test_forms.py": dict(
        bfloat16_is_within_its_rounding=0,
        laws=16,
        multiplicative_integration_equals_the_oracle=9,
        peepholes_at_each_position_equal_the_oracle=0,
        second_derivatives_equal_the_references=3,
        steps_and_pieces_make_the_sequence=3,
        symbols_pick_what_one_hot_vectors_do=3,
    ),
    "forms/test_windows.py": dict(
        derivatives_are_those_of_a_plain_convolution=12,
    ),
    "interop/test_convolutional.py": dict(
        flax=6,
    ),
    "interop/test_damage.py": dict(
        flips_and_cuts=4,
        packed_files_are_bounded_by_one_rule=3,
    ),
    "interop/test_files.py": dict(
        every_damaged_entry_is_named=4,
        flipped_bytes_never_escape=3,
        our_own_parameters_of_every_kind=2,
    ),
    "interop/test_jax_libraries.py": dict(
        equinox=4,
        haiku=4,
        linen=5,
        nnx=10,
    ),
    "interop/test_keras.py": dict(
        files=5,
        outputs_states_and_gradients=11,
        saved_weights_give_keras_our_outputs=4,
    ),
    "interop/test_live.py": dict(
        torchscript=2,
    ),
    "interop/test_onnx.py": dict(
        export_runs_in_onnxruntime=4,
        import_against_onnxruntime=15,
    ),
    "interop/test_tf1_cudnn.py": dict(
        cudnn=2,
        tf1=2,
    ),
    "interop/test_torch.py": dict(
        gradients_of_every_weight_under_its_own_name=0,
    ),
    "interop/test_torchrecurrent.py": dict(
        modules_without_biases_are_cells_without=3,
        outputs_and_the_gradient_of_every_weight_under_its_own_name=13,
        saved_weights_give_their_module_our_outputs_and_come_back_bit_for_bit=7,
    ),
    "keras_layers/test_activations.py": dict(
        the_same_function=3,
    ),
    "keras_layers/test_against_keras.py": dict(
        values_and_all_gradients=24,
    ),
    "keras_layers/test_dropout.py": dict(
        the_masks_go_where_keras_puts_them=8,
    ),
    "keras_layers/test_initial.py": dict(
        the_forget_gate_starts_open=2,
        the_same_distribution=6,
    ),
    "keras_layers/test_meshes.py": dict(
        outputs_and_gradients=8,
    ),
    "keras_layers/test_masks.py": dict(
        padding_changes_no_bit=5,
    ),
    "keras_layers/test_promise.py": dict(
        row=10,
    ),
    "keras_layers/test_stateful.py": dict(
        calls_go_on_where_the_last_one_stopped=3,
    ),
    "keras_layers/test_training.py": dict(
        a_regulariser=2,
        training_beside_keras=3,
    ),
    "kernels/test_columns.py": dict(
        rows_and_columns=90,
    ),
    "kernels/test_elementary.py": dict(
        special_numbers=2,
    ),
    "kernels/test_equations.py": dict(
        activations_run_natively=3,
        as_the_reference=14,
        cells_drawn_at_random=12,
        functions_and_their_derivatives=8,
    ),
    "kernels/test_halves.py": dict(
        one_step=12,
        products_and_conversions_on_every_instruction_set=4,
        rows_are_alone_whatever_shares_them=3,
        symbols=2,
        values_and_gradients=72,
    ),
    "kernels/test_native.py": dict(
        functions=9,
        memory_of_a_training_step=4,
        odd_sizes=44,
    ),
    "kernels/test_ragged.py": dict(
        a_row_among_others_is_the_row_alone=4,
        every_mask=18,
        however_many_threads=2,
    ),
    "kernels/test_single.py": dict(
        derivatives=3,
        it_is_one_call_where_the_cell_runs_natively=3,
        odd_sizes=18,
    ),
    "kernels/test_symbols.py": dict(
        every_kind_of_integer=4,
        the_oracle=3,
        values_and_gradients=40,
    ),
    "laws/test_law_01_reference.py": dict(
        gradients_equal_the_oracle=27,
        gradients_equal_the_reference=16,
        jvp_and_jvp_of_gradient_equal_the_reference=6,
        jvp_is_the_gradient_along_the_tangent=8,
        nothing_given_is_all_steps=2,
        outputs_and_carries_equal_the_oracle=37,
    ),
    "laws/test_law_02_pieces.py": dict(
        all_carries_are_those_of_every_prefix=2,
        default_blocks_are_the_reference=20,
        every_chunk_is_the_whole=36,
        gradients_of_every_chunk=32,
        sqrt_with_segments_of_several_blocks=2,
        two_halves_are_the_whole=36,
    ),
    "laws/test_law_03_padding.py": dict(
        integer_inputs_equal_one_hot_and_their_padding_is_free=3,
        no_rows=2,
        no_steps=2,
        padding_changes_no_bit=32,
        projected_inputs_equal_raw_ones=3,
        row_of_length_zero=35,
        rows_do_not_see_each_other=108,
        several_batch_axes_and_none=8,
    ),
    "laws/test_law_06_meshes.py": dict(
        cells_that_run_as_they_say_over_explicit_axes=6,
        compositions_over_explicit_axes=20,
        every_argument_over_a_mesh=6,
        modules_over_explicit_axes=4,
        steps_in_a_loop_of_the_users=0,
        transformed_over_explicit_axes=2,
        units_over_a_second_axis=2,
    ),
    "laws/test_law_06_transforms.py": dict(
        debug_nans_is_silent_for_finite_inputs=4,
        lower_precision=11,
        no_tracer_leaks=9,
        shard_map_over_the_batch=9,
        shard_map_without_a_carry=4,
        vmap_of_gradient_of_remat=15,
        without_jit=3,
    ),
    "laws/test_law_07_compilation.py": dict(
        export_for_every_platform=15,
        program_does_not_grow_with_time=12,
        second_call_does_no_work_again=2,
    ),
    "laws/test_law_07_export.py": dict(
        a_loop_over_nothing_for_any_number=2,
        any_number_of_steps_and_rows=6,
        every_entry_for_any_number=0,
    ),
    "laws/test_law_09_golden.py": dict(
        numbers_are_the_frozen_ones=9,
    ),
    "laws/test_law_10_values.py": dict(
        checkify_reports_traced_values=3,
        traced_lengths_are_clipped=50,
    ),
    "laws/test_memory.py": dict(
        measured_now=0,
    ),
    "modules/test_convolutional.py": dict(
        in_rnn=9,
    ),
    "modules/test_displays.py": dict(
        linen=5,
        nnx=16,
    ),
    "modules/test_flax_and_ours.py": dict(
        flaxs_linen_cells_in_our_rnn=3,
        flaxs_nnx_cells_in_our_rnn=3,
        our_linen_cells_in_flaxs_rnn=2,
        our_nnx_cells_in_flaxs_rnn=7,
    ),
    "modules/test_law_08_same_numbers.py": dict(
        forward_and_gradient=2,
    ),
    "modules/test_own_cells.py": dict(
        gradients_of_overrides=2,
        keras_cells_with_a_step_of_their_own=4,
        linen_overrides_run_as_in_flaxs_rnn=2,
    ),
    "modules/test_promise.py": dict(
        row=120,
    ),
    "modules/test_scanned.py": dict(
        any_layer_with_its_own_carry=2,
        values_and_gradients_are_theirs=6,
    ),
    "modules/test_slstm.py": dict(
        streams_in_pieces_and_in_steps_are_the_whole=2,
    ),
    "modules/test_swap.py": dict(
        linen=3,
        nnx=7,
    ),
    "modules/test_wrong_calls.py": dict(
        wrong_call=3,
    ),
    "peers/test_flax.py": dict(
        linen=6,
        nnx=3,
        simple_cells=4,
    ),
    "peers/test_keras.py": dict(
        outputs_and_all_gradients=10,
    ),
    "peers/test_torch.py": dict(
        layer_norm_lstm=2,
        outputs_and_all_gradients=9,
    ),
    "tasks/test_adding.py": dict(
        loss_equals_numpy_whatever_is_in_the_padding=3,
    ),
    "tasks/test_babi.py": dict(
        figures_are_those_of_the_questions_one_by_one=2,
        readers_equal_numpy=2,
    ),
    "tasks/test_captioning.py": dict(
        a_blind_model_sees_no_picture=0,
        captions_equal_numpy=2,
        dropout_and_movement_come_with_the_key_alone=0,
        loss_equals_numpy_on_ragged_captions=3,
        one_picture_with_one_word=0,
    ),
    "tasks/test_char_lm.py": dict(
        draws_follow_the_softmax_at_a_temperature=0,
        dropout_changes_with_the_key_and_is_absent_without_one=0,
    ),
    "tasks/test_classify.py": dict(
        loss_equals_numpy_and_padding_changes_no_bit=3,
    ),
    "tasks/test_draw.py": dict(
        bound_and_glimpses_equal_numpy=3,
    ),
    "tasks/test_frame_prediction.py": dict(
        loss_equals_numpy=2,
    ),
    "tasks/test_handwriting.py": dict(
        losses_equal_numpy=2,
    ),
    "tasks/test_lip_reading.py": dict(
        ctc_has_its_share_of_the_loss_while_training=0,
        dropout_and_changes_come_with_the_key_alone=0,
        evaluate_sums_over_all_clips=2,
        loss_equals_numpy_on_ragged_sentences=2,
    ),
    "tasks/test_memory_policy.py": dict(
        loss_equals_numpy=2,
    ),
    "tasks/test_nan_figures.py": dict(
        every_figure_is_nan_where_outputs_are=4,
    ),
    "tasks/test_stories.py": dict(
        a_solver_that_reads_the_text_finds_every_answer=2,
    ),
    "tasks/test_translation.py": dict(
        dropout_changes_with_the_key_and_is_absent_without_one=0,
        loss_equals_numpy_on_ragged_pairs=3,
        translations_equal_numpy=4,
    ),
    "tasks/test_video_captioning.py": dict(
        a_blind_model_sees_a_dark_screen_and_dropout_comes_with_the_key_alone=0,
        captions_equal_numpy=2,
        evaluate_sums_over_all_captions=0,
        moving_digits_do_what_their_sentences_say=0,
    ),
    "tasks/test_word_lm.py": dict(
        loss_is_summed_over_time_and_recorded_a_word=2,
        trains_on_the_embedded_text=0,
    ),
    "test_cli.py": dict(
        resume_of_a_finished_run_says_so=0,
        sample_streams=0,
    ),
    "test_cli_machine.py": dict(
        a_closed_standard_input=0,
        a_terminal_that_cannot_show_a_character=0,
        closed_streams=0,
    ),
    "test_notebooks.py": dict(
        runs=0,
    ),
    "train/test_averaging.py": dict(
        a_resumed_run_is_the_same=2,
    ),
    "train/test_config.py": dict(
        shipped_configurations_are_valid_and_found_by_name=3,
    ),
    "train/test_generated.py": dict(
        samples_are_written=6,
        the_loss_falls_and_a_resumed_run_is_equal=0,
    ),
    "train/test_loop.py": dict(
        stopped_and_resumed_run_equals_an_uninterrupted_one=3,
    ),
    "train/test_record.py": dict(
        a_signal_during_the_imports_ends_politely=2,
        what_a_task_learned_of_its_data_is_enough_without_them=4,
    ),
    "wrong_calls/test_wrong_calls.py": dict(
        some_wrong_calls=7,
    ),
}


# Tests whose rows take about two seconds or more each, first compilations included: the slow suite runs them all.
LONG: dict[str, tuple[str, ...]] = {
    "bench/test_runner.py": (
        "declined_and_failed_say_why",
        "times_come_in_rounds_and_numbers_once",
        "wrong_numbers_are_refused_and_never_timed",
    ),
    "cells/test_linear_cells.py": (
        "layers_of_linear_cells_are_the_references",
        "what_equations_read_is_differentiated",
    ),
    "compose/test_compose.py": ("noise_is_the_same_whole_in_pieces_streamed_and_in_blocks",),
    "compose/test_quantize.py": (
        "backends_agree",
        "layers_of_layers",
    ),
    "compose/test_slstm_block.py": (
        "dropout_is_of_the_absolute_time_and_off_without_a_key",
        "gradients_of_all_that_is_given",
    ),
    "compose/test_windowed.py": ("nan_in_padding_reaches_no_gradient",),
    "decode/test_attention.py": ("scan_equals_numpy_and_steps_and_padding_reaches_nothing",),
    "decode/test_glimpse.py": ("filters_far_away_or_extreme_are_finite_and_sum_to_one",),
    "decode/test_mixture.py": ("finite_at_extremes_in_float32",),
    "decode/test_sampling.py": (
        "a_stream_draws_what_sample_draws_however_many_at_a_time",
        "extremes_and_ties",
    ),
    "dynamics/test_known_answers.py": ("a_linear_network_is_its_matrix",),
    "dynamics/test_products.py": ("a_row_is_its_valid_steps_alone",),
    "engine/test_closed_over.py": (
        "gradients_outside_jit_and_under_vmap",
        "nothing_is_kept_of_a_trace_that_has_ended",
    ),
    "engine/test_gradients.py": ("forward_over_reverse_of_inputs_only",),
    "engine/test_own_layers.py": ("what_methods_read_is_differentiated_and_not_kept",),
    "engine/test_sharded_time.py": (
        "eight_devices_are_one",
        "inside_shard_map_over_rows_too_and_on_explicit_axes",
        "noise_and_second_derivatives_are_those_of_one_device",
    ),
    "engine/test_states.py": ("derivatives",),
    "forms/test_forms.py": ("second_derivatives_equal_the_references",),
    "forms/test_windows.py": ("derivatives_are_those_of_a_plain_convolution",),
    "interop/test_convolutional.py": ("flax",),
    "interop/test_jax_libraries.py": ("linen_both_ways_with_lengths",),
    "interop/test_mutations.py": ("some_mutated_files",),
    "interop/test_surroundings.py": ("an_archive_of_modules_within_themselves_has_an_end",),
    "interop/test_tf1_cudnn.py": ("cudnn",),
    "interop/test_unirep.py": ("outputs_and_the_gradient_of_every_array",),
    "keras_layers/test_meshes.py": ("outputs_and_gradients",),
    "kernels/test_c.py": ("the_page_runs",),
    "kernels/test_columns.py": ("bits_do_not_depend_on_the_number_of_threads",),
    "kernels/test_halves.py": ("rows_are_alone_whatever_shares_them",),
    "kernels/test_native.py": (
        "vmap_joins_rows_and_keeps_kernels_apart",
        "without_a_compiler_the_reason_is_kept",
    ),
    "kernels/test_product8.py": ("every_instruction_set_gives_the_same_bits",),
    "kernels/test_ragged.py": ("every_mask",),
    "kernels/test_single.py": ("derivatives",),
    "modules/test_flax_and_ours.py": ("empty_sequences_and_batches",),
    "modules/test_noise.py": ("one_key_gives_the_engines_masks",),
    "modules/test_scanned.py": ("seeds_updates_and_devices",),
    "modules/test_slstm.py": ("streams_in_pieces_and_in_steps_are_the_whole",),
    "planning/test_plan.py": ("a_configuration_says_what_it_says_as_text",),
    "tasks/test_babi.py": ("figures_are_those_of_the_questions_one_by_one",),
    "tasks/test_captioning.py": (
        "evaluate_sums_over_all_captions",
        "loss_equals_numpy_on_ragged_captions",
    ),
    "tasks/test_classify.py": ("ten_folds_are_as_large_as_can_be_and_keep_equal_texts_together",),
    "tasks/test_draw.py": (
        "gradient_equals_finite_differences",
        "rows_that_fill_a_batch_up_do_not_count",
    ),
    "tasks/test_frame_prediction.py": ("loss_equals_numpy",),
    "tasks/test_handwriting.py": ("losses_equal_numpy",),
    "tasks/test_lip_reading.py": ("evaluate_sums_over_all_clips",),
    "tasks/test_long_sequences.py": (
        "a_network_reads_each_row_by_itself",
        "copying_equals_numpy_whatever_is_in_the_padding",
    ),
    "tasks/test_ppo.py": ("without_memory_only_the_present_counts",),
    "tasks/test_stories.py": ("a_wrong_answer_would_be_found",),
    "tasks/test_tag.py": (
        "losses_and_tags_equal_numpy_and_padding_changes_no_bit",
        "spans_and_their_f1_are_seqevals",
    ),
    "tasks/test_word_lm.py": ("gradient_of_a_tied_embedding_is_the_sum_of_both_uses",),
    "test_cli_machine.py": (
        "a_full_disk_behind_the_standard_output",
        "a_reader_that_has_seen_enough_is_no_error",
        "a_run_goes_on_by_its_folder_or_its_own_configuration",
    ),
    "test_memory_kept.py": (
        "temporaries_find_their_pages_in_place",
        "too_late_changes_nothing_and_says_so",
    ),
    "train/test_checkpoint.py": (
        "full_disk_and_another_model_are_clear_errors",
        "restoring_needs_no_pickle",
    ),
    "train/test_own_task.py": ("given_parameters_are_begun_with",),
    "train/test_published.py": ("a_text_that_is_merely_called_so_has_no_published_figures",),
    "train/test_record.py": (
        "a_signal_during_the_imports_ends_politely",
        "the_second_process_is_told_and_touches_nothing",
    ),
    "train/test_start.py": (
        "a_run_that_is_killed_before_its_first_checkpoint_begins_with_the_same_again",
        "two_vocabularies_and_one_that_lies_behind_other_inputs",
    ),
}

LONG_COMPILED = "newton"  # a backend that is run in the slow suite, but for tests of its own
FAMILIES = ("elman", "lstm", "lstm_1997", "gru", "own")  # cells of which all laws are run
LAW_1 = (
    "tests/laws/test_law_01_reference.py::test_outputs_and_carries_equal_the_oracle",
    "tests/laws/test_law_01_reference.py::test_gradients_equal_the_oracle",
)
KEPT = ("tests/laws/test_law_09_golden.py::test_numbers_are_the_frozen_ones",)
DRAWN = (
    "tests/laws/test_law_02_pieces.py::test_every_chunk_is_the_whole",
    "tests/laws/test_law_03_padding.py::test_padding_changes_no_bit",
    "tests/laws/test_law_03_padding.py::test_rows_do_not_see_each_other",
)


def _drawn(text: str) -> int:
    """A number that is the same in every process."""
    return zlib.crc32(text.encode())


def leave_to_the_sweep(items: list[pytest.Item], is_core: Callable[[str], bool]) -> list[pytest.Item]:
    """Mark which suite runs which laws of rows outside the core. Returns the other items, left as they are."""
    placed = set()
    laws: dict[str, list[tuple[str, dict[str, Any], pytest.Item]]] = defaultdict(list)
    for item in items:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        if item.nodeid.startswith("tests/laws/") and isinstance(row := given.get("row"), str) and not is_core(row):
            laws[row].append((item.nodeid.partition("[")[0], given, item))
    for row, tests in laws.items():
        backends = sorted({given["backend"] for name, given, _ in tests if name in LAW_1})
        ways = {b: ("forward", "reverse")[_drawn(f"{row} {b}") % 2] for b in backends}
        short = [b for b in backends if b != LONG_COMPILED]
        quickly = short[_drawn(row) % len(short)] if short and _drawn(f"{row} quickly") % 4 == 0 else None
        slowly = {
            min((item for name, _, item in tests if name == one), key=lambda item: _drawn(item.nodeid), default=None)
            for one in DRAWN
        }
        for name, given, item in tests:
            if name in KEPT:
                continue
            in_law_1 = name in LAW_1 and given["direction"] == ways[given["backend"]]
            item.own_markers = [mark for mark in item.own_markers if mark.name != "slow"]
            if not (in_law_1 and given["backend"] == quickly):
                item.add_marker(pytest.mark.slow if in_law_1 or item in slowly else pytest.mark.sweep)
            placed.add(item)
    return [item for item in items if item not in placed]


# Examples of docstrings that train, and draw what came of it.
LONG_EXAMPLES = (
    "jaxrnn/train/own_run.py::jaxrnn.train.own_run.train_task",
    "jaxrnn/train/run.py::jaxrnn.train.run.run",
)


def leave_to_the_slow_suite(items: list[pytest.Item]) -> None:
    """Mark what the quick suite does not run."""
    tests = defaultdict(list)
    for item in items:
        if hasattr(item, "callspec") and item.callspec.params.get("backend") == LONG_COMPILED:
            item.add_marker(pytest.mark.slow)
        else:
            tests[item.nodeid.partition("[")[0]].append(item)
    for file, names in LONG.items():
        for name in names:
            for item in tests[f"tests/{file}::test_{name}"]:
                item.add_marker(pytest.mark.slow)
    for example in LONG_EXAMPLES:
        for item in tests.get(example, []):
            item.add_marker(pytest.mark.slow)
    for file, names in ONE_IN.items():
        for name, one_in in names.items():
            rows = tests.get(f"tests/{file}::test_{name}", [])
            drawn = sorted(rows, key=lambda item: _drawn(item.nodeid))
            for item in drawn[math.ceil(len(rows) / one_in) if one_in else 0 :]:
                item.add_marker(pytest.mark.slow)
