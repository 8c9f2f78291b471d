"""Batched spiking dynamics in torch, spike for spike those of the numpy reference."""
